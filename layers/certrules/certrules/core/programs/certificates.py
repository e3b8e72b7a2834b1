"""The certificates of a learner, as programs look at them: per course run, what changed and when."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from certrules.core.certificate import Certificate, Transition
from certrules.core.guard import PublishedCertificate
from certrules.core.instants import BEGINNING
from certrules.core.terms import Cause, Status


class CertificateChange(NamedTuple):
    """A certificate in a course run, from an instant on."""

    at: datetime  # UTC
    status: Status
    mode: str
    since: datetime  # UTC: when it was earned; it stays when the certificate is reinstated


type Certificates = Mapping[str, Sequence[CertificateChange]]
"""The changes of a learner's certificate by course run, oldest first. Empty: a record, but no certificate so far."""


def changes_of(transitions: Sequence[Transition], certificate: Certificate | None) -> tuple[CertificateChange, ...]:
    """Return the changes of a certificate from its transitions; `certificate` is how it is now.

    The mode of a certificate may change without a transition, when the learner's becomes one that earns it: then the
    last change has the new one.
    """
    changes = [
        CertificateChange(item.at, item.status, item.certificate.mode, item.certificate.issued_at or item.at)
        for item in transitions
    ]
    if changes and certificate is not None:
        changes[-1] = changes[-1]._replace(mode=certificate.mode)
    return tuple(changes)


def changes_of_published(published: PublishedCertificate) -> tuple[CertificateChange, ...]:
    """Return the changes of a certificate as it was published: what the learner has.

    Published transitions have no mode: each change has that of the certificate. Those since it was last earned have its
    date of issue.
    """
    certificate = published.certificate
    if certificate is None:
        return ()
    if not published.transitions:
        at = certificate.issued_at or BEGINNING
        return (CertificateChange(at, certificate.status, certificate.mode, at),)
    changes: list[CertificateChange] = []
    since, issue = certificate.first_issued_at, 0
    for position, item in enumerate(published.transitions):
        if item.status is Status.DOWNLOADABLE and item.cause in {Cause.EARNED, Cause.RECORDED}:
            since, issue = item.at, position
        changes.append(CertificateChange(item.at, item.status, certificate.mode, since or item.at))
    issued_at = certificate.issued_at
    if issued_at is None:
        return tuple(changes)
    return (*changes[:issue], *(change._replace(since=issued_at) for change in changes[issue:]))

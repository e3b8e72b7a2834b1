"""The certificates of a learner, as programs look at them: per course run, what changed and when."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from certrules.core.certificate import Certificate, Transition
from certrules.core.terms import Status


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

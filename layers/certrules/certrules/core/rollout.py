"""Rollout: who decides in a course run, and what learners have where the old logic does."""

from datetime import datetime
from typing import NamedTuple

from certrules.core.guard import Mark, Published, is_downloadable
from certrules.core.replay import Certificate, as_recorded
from certrules.core.terms import Cause, Fact, Rollout
from certrules.core.timeline import BEGINNING, Timeline


class Terms(NamedTuple):
    """Who decides in a course run now, whatever instant is decided."""

    rollout: Rollout
    live_since: datetime  # UTC: from when on this service decides, if it does; BEGINNING: it always did

    @property
    def is_live(self) -> bool:
        """Whether this service decides, and publishes."""
        return self.rollout is Rollout.LIVE


def terms_of(course_run: Timeline, default: Rollout) -> Terms:
    """Return who decides in a course run by its configuration; the deployment's default counts until it has a word."""
    rollout, live_since = default, BEGINNING
    for entry in course_run:
        if entry.fact is Fact.COURSE_RUN and entry.subject == "rollout":
            if rollout is not Rollout.LIVE:
                live_since = entry.at
            rollout = Rollout(entry.value)
    return Terms(rollout, live_since)


def told_before(published: Published, timeline: Timeline, terms: Terms) -> Published:
    """Return what learners have before anything is decided here: what was published, or what the old logic said since.

    The old logic's word counts where it decides. In a course run that went live it counts from before that, for a
    learner without a downloadable certificate: it was on its way, and what it issued is not issued once more.
    """
    if not terms.is_live:
        return _newest(published, timeline)._replace(pending=None)
    if terms.live_since is BEGINNING or is_downloadable(published.certificate):
        return published
    return _newest(published, tuple(entry for entry in timeline if entry.at < terms.live_since))


def _newest(published: Published, timeline: Timeline) -> Published:
    """Return the certificate that the old logic last told of, if that is newer than what was published."""
    words = [entry for entry in timeline if entry.fact is Fact.RECORDED]
    if not words or (published.marks and not _is_newer(words[-1].at, published.marks[-1])):
        return published
    certificate: Certificate | None = None
    since = words[0].at  # when it last got the status that it has
    for word in words:
        since = since if certificate is not None and certificate.status is word.value.status else word.at
        certificate = as_recorded(word, certificate)
    assert certificate is not None
    ours = tuple(mark for mark in published.marks if mark.cause is not Cause.RECORDED)
    if published.certificate is not None and (ours or not certificate.certificate_id):  # an id that was told stays
        certificate = certificate._replace(certificate_id=published.certificate.certificate_id)
    return Published(certificate, (*ours, Mark(since, certificate.status, Cause.RECORDED)), published.pending)


def _is_newer(at: datetime, mark: Mark) -> bool:
    return at > mark.at or (at == mark.at and mark.cause is Cause.RECORDED)

"""The guard between what the facts say and what learners were given: nothing published is taken away unlisted."""

from datetime import datetime
from typing import NamedTuple

from certrules.core.decision import label
from certrules.core.facts import active_by_person
from certrules.core.replay import Actor, Certificate, Outcome, Pending, Transition, as_recorded
from certrules.core.rollout import RolloutState
from certrules.core.terms import AUTOMATIC, REVOKING, Cause, Fact, RevocationAction, Status, is_person
from certrules.core.timeline import BEGINNING, Entry, Timeline


class PublishedTransition(NamedTuple):
    """What is remembered of a transition that was published."""

    at: datetime  # UTC
    status: Status
    cause: Cause


class PublishedCertificate(NamedTuple):
    """What learners and other services were last told of a certificate."""

    certificate: Certificate | None = None
    transitions: tuple[PublishedTransition, ...] = ()
    pending: Pending | None = None


class Publication(NamedTuple):
    """What is to be published next."""

    published: PublishedCertificate
    new_transitions: tuple[Transition, ...]  # the transitions that nobody was told of yet, oldest first
    retained: bool  # the facts no longer carry the published certificate: it is kept, and held for a person


def next_publication(
    before: PublishedCertificate,
    outcome: Outcome,
    certificate_id: str,
    compacted_until: datetime = BEGINNING,
    timeline: Timeline = (),
    live_since: datetime = BEGINNING,
) -> Publication:
    """Return what is to be published, given what was and what the facts now amount to.

    A published downloadable certificate gives way only to a revocation with a listed cause that came after its
    issue; if late facts leave no such revocation but no award either, it is kept as it is and held for a person.
    So is one whose revocation lies in a past that was compacted_until, where a word that would have prevented it may
    have been dropped; and one that was lost before `live_since`, when the old logic decided and let it stand, unless
    it was lost by itself: the breaker's place is where that is held. But a person who invalidates or releases what is
    held acts at once, and one who discards the revocation has the last word: `timeline` has what they said.
    `certificate_id` is for a certificate without one.
    """
    if is_downloadable(before.certificate) and not is_downloadable(outcome.certificate):
        loss = _loss(outcome)
        since = _downloadable_since(before)
        if (
            loss is None
            or loss.at <= compacted_until
            or loss.at < since
            or (loss.at < live_since and not _is_automatic(loss))
        ):
            return _keep_unless_said(before, outcome, timeline, since, live_since)
    if outcome.certificate is None:  # what exists once, exists: its status may go stale, not its id
        return Publication(before._replace(pending=outcome.pending), (), retained=False)
    certificate = _with_its_past(outcome.certificate, before.certificate, certificate_id)
    transitions = tuple(
        PublishedTransition(transition.at, transition.status, transition.cause) for transition in outcome.transitions
    )
    new_transitions = tuple(
        transition._replace(certificate=transition.certificate._replace(certificate_id=certificate.certificate_id))
        for transition in _since_live(before, _news(before, outcome, transitions), live_since)
    )
    return Publication(PublishedCertificate(certificate, transitions, outcome.pending), new_transitions, retained=False)


def automatic_revocation(before: PublishedCertificate, new_transitions: tuple[Transition, ...]) -> Transition | None:
    """Return the first of these transitions that takes away what learners were told they have, by no person's act."""
    if not is_downloadable(before.certificate):
        return None
    return next(
        (item for item in new_transitions if item.previous is Status.DOWNLOADABLE and _is_automatic(item)), None
    )


def _is_automatic(loss: Transition) -> bool:
    return loss.cause in AUTOMATIC and not is_person(loss.actor.by)


def hold_entry(revocation: Transition, event_id: str, by: str, why: str) -> Entry:
    """Return the entry that has a revocation wait for a person, told just when it would have taken effect."""
    return Entry(revocation.at, event_id, Fact.REVOCATION, revocation.cause, RevocationAction.HELD, f"system:{by}", why)


def _with_its_past(certificate: Certificate, published: Certificate | None, new_id: str) -> Certificate:
    """Return a certificate with the id that it was published with, and the dates, if the facts no longer give any."""
    if published is None:
        return certificate._replace(certificate_id=certificate.certificate_id or new_id)
    certificate = certificate._replace(certificate_id=published.certificate_id or certificate.certificate_id or new_id)
    if certificate.first_issued_at is not None:
        return certificate
    return certificate._replace(issued_at=published.issued_at, first_issued_at=published.first_issued_at)


def _keep_unless_said(
    before: PublishedCertificate, outcome: Outcome, timeline: Timeline, since: datetime, live_since: datetime
) -> Publication:
    invalidation = active_by_person(timeline)
    if invalidation is not None and invalidation.at > since and invalidation.at >= live_since:
        actor = Actor(invalidation.by, invalidation.notes)
        return _revoke(before, outcome, Status.UNAVAILABLE, invalidation.at, Cause.INVALIDATED, actor)
    words = [entry for entry in timeline if entry.fact is Fact.REVOCATION and entry.subject == Cause.NEVER_EARNED]
    word = words[-1] if words and words[-1].at > since else None
    if word is not None and word.value is RevocationAction.DISCARDED:
        return Publication(before._replace(pending=None), (), retained=True)
    pending = before.pending
    if pending is None or pending.cause is not Cause.NEVER_EARNED:
        pending = Pending(Cause.NEVER_EARNED, outcome.decision.facts.as_of, None)
    elif (
        word is not None and word.value is RevocationAction.RELEASED and is_person(word.by) and word.at >= pending.since
    ):
        status = outcome.status or label(outcome.decision.unmet, exists=True) or Status.UNAVAILABLE
        return _revoke(before, outcome, status, word.at, Cause.NEVER_EARNED, Actor(word.by, word.notes))
    return Publication(before._replace(pending=pending), (), retained=True)


def _revoke(
    before: PublishedCertificate, outcome: Outcome, status: Status, at: datetime, cause: Cause, actor: Actor
) -> Publication:
    """Take away at a person's word what the facts don't carry and the replay therefore never awarded."""
    assert before.certificate is not None
    certificate = before.certificate._replace(status=status)
    transition = Transition(at, Status.DOWNLOADABLE, certificate, cause, actor, outcome.decision)
    mark = PublishedTransition(transition.at, transition.status, transition.cause)
    return Publication(
        PublishedCertificate(transition.certificate, (*before.transitions, mark)), (transition,), retained=False
    )


def _news(
    before: PublishedCertificate, outcome: Outcome, transitions: tuple[PublishedTransition, ...]
) -> tuple[Transition, ...]:
    """Return the transitions to be told: those that follow on what was told, even if late facts rewrote the past."""
    told = len(before.transitions)
    if transitions[:told] == before.transitions:
        return outcome.transitions[told:]
    status = before.certificate.status if before.certificate else None
    if outcome.status is status:
        return ()
    for position in range(len(outcome.transitions) - 1, -1, -1):
        if outcome.transitions[position].previous is status:
            return outcome.transitions[position:]
    return (outcome.transitions[-1]._replace(previous=status),)


def _since_live(
    before: PublishedCertificate, new_transitions: tuple[Transition, ...], live_since: datetime
) -> tuple[Transition, ...]:
    """Return the new transitions; of those while the old logic decided, only the one that set the final state."""
    early = tuple(transition for transition in new_transitions if transition.at < live_since)
    if not early:
        return new_transitions
    late = new_transitions[len(early) :]
    status = before.certificate.status if before.certificate else None
    if early[-1].status is status:
        return late
    if status is not Status.DOWNLOADABLE:
        return (early[-1]._replace(previous=status), *late)
    # It was lost then, and the old logic let it stand: either it is lost still, or only what follows on it is told.
    follows = next((position for position, item in enumerate(late) if item.previous is status), len(late))
    return new_transitions if new_transitions[-1].status is not status and follows == len(late) else late[follows:]


def _loss(outcome: Outcome) -> Transition | None:
    """Return the last transition out of downloadable, if its cause is a listed one."""
    for transition in reversed(outcome.transitions):
        if transition.previous is Status.DOWNLOADABLE:
            return transition if transition.cause in REVOKING else None
    return None


def _downloadable_since(published: PublishedCertificate) -> datetime:
    """Return when the published certificate became downloadable; the date that it shows may be another."""
    return next((mark.at for mark in reversed(published.transitions) if mark.status is Status.DOWNLOADABLE), BEGINNING)


def is_downloadable(certificate: Certificate | None) -> bool:
    """Tell whether there is a certificate that the learner can have."""
    return certificate is not None and certificate.status is Status.DOWNLOADABLE


def published_before(
    published: PublishedCertificate, timeline: Timeline, rollout: RolloutState
) -> PublishedCertificate:
    """Return what learners have before anything is decided here: what was published, or what the old logic said since.

    The old logic's word counts where it decides. In a course run that went live it counts from before that, for a
    learner without a downloadable certificate: it was on its way, and what it issued is not issued once more.
    """
    if not rollout.is_live:
        return _newest(published, timeline)._replace(pending=None)
    if rollout.live_since is BEGINNING or is_downloadable(published.certificate):
        return published
    return _newest(published, tuple(entry for entry in timeline if entry.at < rollout.live_since))


def _newest(published: PublishedCertificate, timeline: Timeline) -> PublishedCertificate:
    """Return the certificate that the old logic last told of, if that is newer than what was published."""
    words = [entry for entry in timeline if entry.fact is Fact.RECORDED]
    if not words or (published.transitions and not _is_newer(words[-1].at, published.transitions[-1])):
        return published
    certificate: Certificate | None = None
    since = words[0].at  # when it last got the status that it has
    for word in words:
        since = since if certificate is not None and certificate.status is word.value.status else word.at
        certificate = as_recorded(word, certificate)
    assert certificate is not None
    ours = tuple(mark for mark in published.transitions if mark.cause is not Cause.RECORDED)
    if published.certificate is not None and (ours or not certificate.certificate_id):  # an id that was told stays
        certificate = certificate._replace(certificate_id=published.certificate.certificate_id)
    return PublishedCertificate(
        certificate, (*ours, PublishedTransition(since, certificate.status, Cause.RECORDED)), published.pending
    )


def _is_newer(at: datetime, mark: PublishedTransition) -> bool:
    return at > mark.at or (at == mark.at and mark.cause is Cause.RECORDED)

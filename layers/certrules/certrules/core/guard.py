"""The guard between the outcome of the facts and the publication: nothing is revoked without a listed cause."""

from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple

from certrules.core.certificate import Certificate, Outcome, Pending, Transition, as_recorded
from certrules.core.fact_types import AFTER_PUBLICATION, Fact
from certrules.core.facts import active_by_person
from certrules.core.instants import BEGINNING, SECOND
from certrules.core.rollout import RolloutState
from certrules.core.terms import AUTOMATIC, PERSON, REVOKING, Actor, Cause, RevocationAction, Status, is_person
from certrules.core.timeline import Entry, Timeline

MOST_TRANSITIONS = 300
"""How many published transitions are stored beside a certificate; the history has all."""


class PublishedTransition(NamedTuple):
    """A transition that was published, in short."""

    at: datetime  # UTC
    status: Status
    cause: Cause


class PublishedCertificate(NamedTuple):
    """The certificate as it was last published: what learners have and consumers know."""

    certificate: Certificate | None = None
    transitions: tuple[PublishedTransition, ...] = ()
    pending: Pending | None = None
    published_at: datetime = BEGINNING  # UTC, a whole second; this service published last. BEGINNING: never, or unknown
    unlisted: int = 0  # so many transitions, older than those in `transitions`, were published, too

    def with_newest(self) -> "PublishedCertificate":
        """Return it with the newest MOST_TRANSITIONS of its transitions listed."""
        excess = len(self.transitions) - MOST_TRANSITIONS
        if excess <= 0:
            return self
        return self._replace(transitions=self.transitions[excess:], unlisted=self.unlisted + excess)

    def with_pending(self, pending: Pending | None) -> "PublishedCertificate":
        """Return it with this revocation pending; nearly always none is, and none was."""
        return self if pending is self.pending else self._replace(pending=pending)

    @property
    def is_ours(self) -> bool:
        """Whether this service published it: the old logic's certificate, adopted at going live, is not."""
        return self.published_at is not BEGINNING or any(item.cause is not Cause.RECORDED for item in self.transitions)


class Publication(NamedTuple):
    """The certificate to publish next."""

    published: PublishedCertificate
    new_transitions: tuple[Transition, ...]  # those that were not published yet, oldest first
    retained: bool  # the facts do not carry the published certificate: it stays, and its revocation is held


def next_publication(
    before: PublishedCertificate,
    outcome: Outcome,
    certificate_id: str,
    compacted_until: datetime = BEGINNING,
    timeline: Timeline = (),
    live_since: datetime = BEGINNING,
) -> Publication:
    """Return what to publish, given what was published and the outcome of the facts.

    A published downloadable certificate is revoked only by a transition with a listed cause that came after its issue.
    Otherwise it is retained and its revocation is held for a person. It is retained, too,
    - if the revocation is not after `compacted_until`: a dropped entry might have prevented it;
    - if the revocation is before `live_since`, when the old logic decided and let it stand. An automatic revocation
      from then is returned: the caller holds it.

    A certificate that only a record against an active invalidation carries is not issued if the old logic ended it.

    A person who invalidates, or who releases what is held, revokes at once; one who discards the held revocation ends
    it. Their entries are in `timeline`. `certificate_id` is for a certificate without an id.
    """
    if is_downloadable(before.certificate) and not is_downloadable(outcome.certificate):
        revocation = _last_revocation(outcome)
        since = _downloadable_since(before)
        if (
            revocation is None
            or revocation.at <= compacted_until
            or revocation.at < since
            or (revocation.at < live_since and not _is_automatic(revocation))
        ):
            retained = _retain_unless_a_person_acts(before, outcome, timeline, since, live_since)
            return retained if retained.retained else _with_id(retained, certificate_id)
    elif not is_downloadable(before.certificate) and _is_against_an_invalidation(outcome, timeline):
        return Publication(before._replace(pending=None), (), retained=False)
    if outcome.certificate is None:  # an existing certificate stays, with its id and its last status
        return Publication(before.with_pending(outcome.pending), (), retained=False)
    certificate = _with_published_id_and_dates(outcome.certificate, before.certificate, certificate_id)
    transitions = _in_short(outcome.transitions)
    new_transitions = tuple(
        item._replace(certificate=item.certificate._replace(certificate_id=certificate.certificate_id))
        for item in _without_early(before, _new_transitions(before, outcome, transitions), live_since)
    )
    if not new_transitions and _rests_on_a_persons_act(before, transitions):
        return Publication(before.with_pending(outcome.pending), (), retained=False)
    published_at = _second_after(outcome) if new_transitions else before.published_at
    published = PublishedCertificate(certificate, transitions, outcome.pending, published_at)
    return Publication(published.with_newest(), new_transitions, retained=False)


def first_part(publication: Publication, count: int) -> Publication:
    """Return a publication of the first new transitions, so many of them; the others are published later."""
    taken = publication.new_transitions[:count]
    whole = publication.published
    left = len(publication.new_transitions) - len(taken)
    listed = _in_short(taken)
    count = whole.unlisted + len(whole.transitions) - left
    if left < len(whole.transitions):
        listed = whole.transitions[:-left]
    published = whole._replace(
        certificate=taken[-1].certificate, transitions=listed, pending=None, unlisted=max(0, count - len(listed))
    )
    return Publication(published, taken, retained=False)


def published_with(published: PublishedCertificate, transitions: tuple[Transition, ...]) -> PublishedCertificate:
    """Return a published certificate with these transitions, those that a shorter timeline gives."""
    return published._replace(transitions=_in_short(transitions), unlisted=0).with_newest()


def _in_short(transitions: tuple[Transition, ...]) -> tuple[PublishedTransition, ...]:
    return tuple(PublishedTransition(item.at, item.status, item.cause) for item in transitions)


def _is_against_an_invalidation(outcome: Outcome, timeline: Timeline) -> bool:
    """Whether the replay has a certificate only by a record against an active invalidation, and the old logic ended it.

    No record ends a certificate in the replay. But nobody has this one, so it is not issued.
    """
    facts = outcome.decision.facts
    active = facts.invalidations & {PERSON} if facts.allowlisted else facts.invalidations
    if not active or not is_downloadable(outcome.certificate):
        return False
    records = [entry for entry in timeline if entry.fact is Fact.RECORDED and entry.subject != AFTER_PUBLICATION]
    return bool(records) and records[-1].value.status is not Status.DOWNLOADABLE


def _rests_on_a_persons_act(before: PublishedCertificate, transitions: tuple[PublishedTransition, ...]) -> bool:
    """Whether a person revoked a held certificate that the replay doesn't have: it stays as they left it."""
    if is_downloadable(before.certificate) or not before.transitions:
        return False
    last = before.transitions[-1]
    return last.cause in {Cause.INVALIDATED, Cause.NEVER_EARNED} and last not in transitions


def _second_after(outcome: Outcome) -> datetime:
    """Return the whole second at or after the instant of a decision."""
    as_of = outcome.decision.facts.as_of
    return as_of if not as_of.microsecond else as_of.replace(microsecond=0) + SECOND


def automatic_revocation(before: PublishedCertificate, new_transitions: tuple[Transition, ...]) -> Transition | None:
    """Return the first transition that revokes the published certificate without a person; None if there is none."""
    if not is_downloadable(before.certificate):
        return None
    return next(iter(automatic_revocations(new_transitions)), None)


def _with_id(publication: Publication, certificate_id: str) -> Publication:
    """Return a publication whose certificate has an id: that of the old logic may have none."""
    published, new_transitions, retained = publication
    assert published.certificate is not None
    certificate = published.certificate
    certificate = certificate._replace(certificate_id=certificate.certificate_id or certificate_id)
    named = tuple(item._replace(certificate=certificate) for item in new_transitions)
    return Publication(published._replace(certificate=certificate), named, retained)


def automatic_revocations(transitions: tuple[Transition, ...]) -> tuple[Transition, ...]:
    """Return the transitions that revoke a downloadable certificate without a person."""
    return tuple(item for item in transitions if _revokes(item) and _is_automatic(item))


def is_stopped(timeline: Timeline, instant: datetime | None) -> bool:
    """Whether this timeline's kill switch stops automatic revocations at an instant (UTC; None: by its last entry)."""
    switches = (entry for entry in reversed(timeline) if entry.fact is Fact.AUTOMATIC_REVOCATIONS)
    last = next((entry for entry in switches if instant is None or entry.at <= instant), None)
    return last is not None and not last.value


def _revokes(transition: Transition) -> bool:
    return transition.previous is Status.DOWNLOADABLE


def _is_automatic(revocation: Transition) -> bool:
    return revocation.cause in AUTOMATIC and not is_person(revocation.actor.by)


def hold_entry(revocation: Transition, event_id: str, by: str, why: str) -> Entry:
    """Return the entry that holds an automatic revocation for a person, at the instant of the revocation."""
    actor = f"system:{by}"
    return Entry(revocation.at, event_id, Fact.REVOCATION, revocation.cause, RevocationAction.HELD, actor, why)


def _with_published_id_and_dates(certificate: Certificate, published: Certificate | None, new_id: str) -> Certificate:
    """Return a certificate with the id of the published one, and with its dates if the facts give none."""
    if published is None:
        return certificate._replace(certificate_id=certificate.certificate_id or new_id)
    certificate = certificate._replace(certificate_id=published.certificate_id or certificate.certificate_id or new_id)
    if certificate.first_issued_at is not None:
        return certificate
    return certificate._replace(issued_at=published.issued_at, first_issued_at=published.first_issued_at)


def _retain_unless_a_person_acts(
    before: PublishedCertificate, outcome: Outcome, timeline: Timeline, since: datetime, live_since: datetime
) -> Publication:
    """Retain the certificate and hold its revocation, unless a person invalidated, released or discarded."""
    invalidation = active_by_person(timeline)
    if invalidation is not None and invalidation.at > since and invalidation.at >= live_since:
        why = Cause.INVALIDATED, Actor(invalidation.by, invalidation.notes)
        return _revoke(before, outcome, outcome.status or Status.UNAVAILABLE, invalidation.at, why)
    actions = [entry for entry in timeline if entry.fact is Fact.REVOCATION and entry.subject == Cause.NEVER_EARNED]
    action = actions[-1] if actions and actions[-1].at > since else None
    if action is not None and action.value is RevocationAction.DISCARDED:
        return Publication(before._replace(pending=None), (), retained=True)
    pending = before.pending
    if pending is None or pending.cause is not Cause.NEVER_EARNED:
        pending = Pending(Cause.NEVER_EARNED, outcome.decision.facts.as_of, None)
    if action is not None and _releases(action) and action.at >= pending.since:
        status = outcome.status or outcome.decision.judgement.label_if_exists or Status.UNAVAILABLE
        actor = Actor(action.by, action.notes)
        return _revoke(before, outcome, status, action.at, (Cause.NEVER_EARNED, actor))
    return Publication(before._replace(pending=pending), (), retained=True)


def _releases(action: Entry) -> bool:
    return action.value is RevocationAction.RELEASED and is_person(action.by)


def _revoke(
    before: PublishedCertificate, outcome: Outcome, status: Status, at: datetime, why: tuple[Cause, Actor]
) -> Publication:
    """Revoke, by a person's act, a certificate that the facts do not carry and that the replay never awarded."""
    assert before.certificate is not None
    certificate = before.certificate._replace(status=status)
    transition = Transition(at, Status.DOWNLOADABLE, certificate, *why, outcome.decision)
    published = PublishedTransition(transition.at, transition.status, transition.cause)
    state = before._replace(
        certificate=transition.certificate,
        transitions=(*before.transitions, published),
        pending=None,
        published_at=_second_after(outcome),
    )
    return Publication(state.with_newest(), (transition,), retained=False)


def _new_transitions(
    before: PublishedCertificate, outcome: Outcome, transitions: tuple[PublishedTransition, ...]
) -> tuple[Transition, ...]:
    """Return the transitions that follow on the published ones, also if late facts changed the past."""
    count = before.unlisted + len(before.transitions)
    if transitions[before.unlisted : count] == before.transitions:
        return outcome.transitions[count:]
    status = before.certificate.status if before.certificate else None
    if outcome.status is status:
        return ()
    for position in range(len(outcome.transitions) - 1, -1, -1):
        if outcome.transitions[position].previous is status:
            return outcome.transitions[position:]
    return (outcome.transitions[-1]._replace(previous=status),)


def _without_early(
    before: PublishedCertificate, new_transitions: tuple[Transition, ...], live_since: datetime
) -> tuple[Transition, ...]:
    """Return the new transitions with one in place of all from before `live_since`: the one to their final status."""
    early = tuple(transition for transition in new_transitions if transition.at < live_since)
    if not early:
        return new_transitions
    late = new_transitions[len(early) :]
    status = before.certificate.status if before.certificate else None
    if early[-1].status is status:
        return late
    if status is not Status.DOWNLOADABLE:
        return (early[-1]._replace(previous=status), *late)
    # It was revoked then by the facts, and the old logic let it stand: either it is revoked still, or only the
    # transitions that follow on the published status are new.
    follows = next((position for position, item in enumerate(late) if item.previous is status), len(late))
    is_revoked_still = new_transitions[-1].status is not status and follows == len(late)
    return new_transitions if is_revoked_still else late[follows:]


def _last_revocation(outcome: Outcome) -> Transition | None:
    """Return the last transition out of downloadable, if its cause is a listed one."""
    for transition in reversed(outcome.transitions):
        if _revokes(transition):
            return transition if transition.cause in REVOKING else None
    return None


def _downloadable_since(published: PublishedCertificate) -> datetime:
    """Return when the published certificate became downloadable; the date that it shows may be another."""
    downloadable = (item.at for item in reversed(published.transitions) if item.status is Status.DOWNLOADABLE)
    return next(downloadable, BEGINNING)


def is_downloadable(certificate: Certificate | None) -> bool:
    """Whether there is a downloadable certificate."""
    return certificate is not None and certificate.status is Status.DOWNLOADABLE


# --- where the old logic decides


def published_before(
    published: PublishedCertificate, timeline: Timeline, rollout: RolloutState
) -> PublishedCertificate:
    """Return what learners have before this decision: what was published, or a later certificate of the old logic.

    Where the old logic decides, its last certificate counts. In a course run that went live, its certificates from
    before count for a learner without a downloadable one: they may arrive late, and must not be issued again.
    """
    if not rollout.is_live:
        return _latest(published, timeline)._replace(pending=None)
    if rollout.live_since is BEGINNING or is_downloadable(published.certificate):
        return published
    return _latest(published, tuple(entry for entry in timeline if entry.at < rollout.live_since))


def _latest(published: PublishedCertificate, timeline: Timeline) -> PublishedCertificate:
    """Return the last recorded certificate if it is later than the publication; else the published one."""
    recorded = [entry for entry in timeline if entry.fact is Fact.RECORDED]
    if not recorded or not _is_later(recorded[-1].at, published):
        return published
    certificate: Certificate | None = None
    since = recorded[0].at  # when it got the status that it has
    for entry in recorded:
        since = since if certificate is not None and certificate.status is entry.value.status else entry.at
        certificate = as_recorded(entry, certificate)
    assert certificate is not None
    ours = tuple(item for item in published.transitions if item.cause is not Cause.RECORDED)
    if published.certificate is not None and (ours or not certificate.certificate_id):  # a published id stays
        certificate = certificate._replace(certificate_id=published.certificate.certificate_id)
    transitions = (*ours, PublishedTransition(since, certificate.status, Cause.RECORDED))
    return PublishedCertificate(certificate, transitions, published.pending, published.published_at)


def _is_later(at: datetime, published: PublishedCertificate) -> bool:
    """Whether the old logic recorded a certificate after this service published, which may be long after the award."""
    if not published.transitions:
        return True
    last = published.transitions[-1]
    if at == last.at:
        return last.cause is Cause.RECORDED
    return at > max(last.at, published.published_at)


def place_records(
    timeline: Timeline, entries: Iterable[Entry], published: PublishedCertificate, rollout: RolloutState
) -> list[Entry]:
    """Return new entries as they are to be merged: a certificate of the old logic after our publication is set apart.

    It is still compared with the published one, but the replay ignores it: a published certificate keeps its dates,
    mode and grade.
    """
    placed = []
    for entry in entries:
        subject = entry.subject
        if entry.fact is Fact.RECORDED and not subject:
            known = (item.subject for item in timeline if item.fact is entry.fact and item.event_id == entry.event_id)
            subject = next(known, "" if _counts(entry, published, rollout) else AFTER_PUBLICATION)
        placed.append(entry if subject == entry.subject else entry._replace(subject=subject))
    return placed


def _counts(recorded: Entry, published: PublishedCertificate, rollout: RolloutState) -> bool:
    """Whether learners have what the old logic recorded, in spite of what this service published."""
    if published.certificate is None:
        return True
    if not rollout.is_live:
        return not published.is_ours or recorded.at > published.published_at
    if published.is_ours and is_downloadable(published.certificate):
        return False
    decides_since = max(published.published_at, rollout.live_since)
    return decides_since is BEGINNING or recorded.at < decides_since

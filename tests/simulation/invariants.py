"""What has to hold: at every step, when all faults are over, and when operators have done as the runbook has it."""

import json
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

import msgspec

from certrules.core.fact_types import Fact
from certrules.core.facts import Record, active_by_person
from certrules.core.policy import DEFAULT, undated
from certrules.core.replay import replay
from certrules.core.terms import RELEASED, REVOKING, Cause, Status
from certrules.core.timeline import Entry, Timeline, merge
from certrules.formats.events_in import decode
from certrules.formats.events_out import CHANGED, events_of
from certrules.formats.messages import OWN_SOURCE
from certrules.storage import HistoryItem, Pair, load
from certrules.storage.tables import place_of
from tests.simulation.dynamodb import Key, Row
from tests.simulation.functions import CERTIFICATES, HISTORY, PARKED
from tests.simulation.story import MALFORMED, Reported
from tests.simulation.world import World

POLICIES = undated(DEFAULT)
HOLD = timedelta(hours=1)

TAKING: Mapping[str, str] = {
    Cause.INVALIDATED: "invalidated",
    Cause.EXAM_REJECTED: "exam rejected",
    Cause.ALLOWLIST_REMOVED: "off the allowlist",
    Cause.NEVER_EARNED: "held one released",
}
"""The kind of event without which there is no loss of this cause."""

BY_A_PERSON = {Cause.INVALIDATED, Cause.NEVER_EARNED}


class BrokenError(AssertionError):
    """Something that has to hold does not."""


class Watch:
    """Looks at every step at what was written: history only grows, and no certificate is lost or gets another id."""

    def __init__(self) -> None:
        self._history: dict[Key, Row] = {}
        self._ids: dict[Key, str] = {}

    def look(self, world: World) -> None:
        """Compare with the step before. Raises BrokenError."""
        history = world.aws.dynamodb.table(HISTORY).rows
        if len(history) == len(self._history):
            return
        for key, row in self._history.items():
            if history.get(key) is not row:
                raise BrokenError(f"the history item {key} was written again")
        self._history = dict(history)
        ids = {key: row["i"]["S"] for key, row in world.aws.dynamodb.table(CERTIFICATES).rows.items() if "i" in row}
        for key, certificate_id in self._ids.items():
            if ids.get(key) != certificate_id:
                raise BrokenError(f"{key}: the certificate {certificate_id} became {ids.get(key)}")
        self._ids = ids


def unbroken(world: World, story: Iterable[Reported], pairs: Iterable[Pair]) -> None:
    """Raise BrokenError if history is not whole, if a certificate was lost, or if one was revoked without a cause."""
    found = histories(world)
    loaded = load(pairs)
    for pair in pairs:
        items = found.get(pair, [])
        if [number for number, _ in items] != list(range(1, len(items) + 1)):
            raise BrokenError(f"{pair}: history has gaps: {[number for number, _ in items]}")
        stored = loaded.records[pair]
        if stored.history_count != len(items):
            raise BrokenError(f"{pair}: the record counts {stored.history_count} items of history, not {len(items)}")
        changes = [item for _, item in items if item["kind"] == "transition"]
        statuses = [item["status"] for item in changes]
        certificate = stored.published.certificate
        if [item["previous"] for item in changes] != [None, *statuses][: len(statuses)]:
            raise BrokenError(f"{pair}: the transitions do not follow each other: {statuses}")
        is_ours = not _is_of_old_logic(loaded.course_runs[pair.course_run].timeline)
        if statuses and is_ours and (certificate is None or certificate.status != statuses[-1]):
            raise BrokenError(f"{pair}: the certificate is not the one of the last transition")
        if len({item["certificate"]["id"] for item in changes}) > 1:
            raise BrokenError(f"{pair}: the certificate got another id")
        if "downloadable" in statuses and (certificate is None or certificate.first_issued_at is None):
            raise BrokenError(f"{pair}: an issued certificate has no date")
        for item in changes:
            if item["previous"] == "downloadable":
                _refuse_unfounded(item, pair, [reported for reported in story if reported.pair == pair])


def _refuse_unfounded(loss: Mapping[str, Any], pair: Pair, story: list[Reported]) -> None:
    """Raise BrokenError if nothing that happened, or nobody, may have taken this certificate."""
    cause, at = loss["cause"], datetime.fromisoformat(loss["at"])
    if cause not in REVOKING:
        raise BrokenError(f"{pair}: lost by {cause}, which takes no certificate")
    if cause == Cause.GRADE_FELL:
        fell = any(reported.kind == "failing" and reported.at + HOLD <= at for reported in story)
        if not fell and not any(reported.kind == "fall released" and reported.at <= at for reported in story):
            raise BrokenError(f"{pair}: lost at {at} by a fall that was not held for an hour")
        return
    kind = TAKING.get(cause)
    if kind is None or not any(reported.kind == kind and reported.at <= at for reported in story):
        raise BrokenError(f"{pair}: lost by {cause}, though nothing like it happened by {at}")
    if cause in RELEASED and not loss.get("by"):
        raise BrokenError(f"{pair}: lost by {cause} without a person")


def histories(world: World) -> dict[Pair, list[tuple[int, dict[str, Any]]]]:
    """Return the history of each certificate, with the number of each item."""
    found: dict[Pair, list[tuple[int, dict[str, Any]]]] = {}
    for (p, s), row in sorted(world.aws.dynamodb.table(HISTORY).rows.items()):
        pair, number = place_of(HistoryItem(p, s))
        found.setdefault(pair, []).append((number, msgspec.json.decode(row["b"]["S"])))
    return found


def differences(world: World, story: list[Reported], pairs: Iterable[Pair]) -> dict[Pair, str]:
    """Return the certificates of which the facts, what is stored and what was published do not agree, and how."""
    found = {}
    for pair in pairs:
        difference = _unlike_facts(pair, story, world.now) or _unlike_events(world, pair)
        if difference:
            found[pair] = difference
    return found


def settled(world: World, story: list[Reported], pairs: Iterable[Pair]) -> None:
    """Raise BrokenError if anything is left to be done, or if anything was lost on the way."""
    for pair, difference in differences(world, story, pairs).items():
        raise BrokenError(f"{pair}: {difference}")
    parked = [message.body for message in world.aws.queue(PARKED)]
    malformed = {reported.body for reported in story if reported.kind is MALFORMED}
    if set(parked) != malformed:
        raise BrokenError(f"parked are {sorted(set(parked))}, not {sorted(malformed)}")
    published = {json.loads(event.detail)["metadata"]["id"] for event in world.aws.bus if _is_of_history(event.detail)}
    expected = {event_id for pair in pairs for event_id in _event_ids(world, pair)}
    if published - expected:
        raise BrokenError(f"events without history were published: {sorted(published - expected)}")


def _is_of_history(detail: str) -> bool:
    return "reconciliation" not in json.loads(detail)


def _unlike_facts(pair: Pair, story: list[Reported], now: datetime) -> str:
    """Return how a stored certificate differs from the replay of all that was sent, "" if it does not."""
    loaded = load([pair])
    stored = loaded.records[pair]
    shared = (*loaded.verifications[pair.learner_id].timeline, *loaded.course_runs[pair.course_run].timeline)
    timeline = merge((), (*stored.timeline, *shared))
    known = {_identity(entry) for entry in timeline}
    sent = _entries(pair, story)
    missing = [entry for entry in sent if entry.fact is not Fact.GRADE and _identity(entry) not in known]
    grades = (entry for entry in sent if entry.fact is Fact.GRADE)
    timeline = merge(timeline, grades)  # with those that are no longer stored: they change nothing
    if missing:
        return f"facts are missing: {missing}"
    published = stored.published
    if _is_of_old_logic(shared):
        return ""
    if not stored.timeline:
        return "" if published.certificate is None else "there is a certificate without a fact"
    until = max(now, timeline[-1].at)  # an event of a producer whose clock is ahead counts at once
    outcome = replay(Record(*pair, timeline), POLICIES, until)
    expected, ours = outcome.certificate, published.certificate
    if published.pending is not None and published.pending.cause is Cause.NEVER_EARNED:
        return "" if ours is not None and ours.status is Status.DOWNLOADABLE else "held, but not downloadable"
    if expected is None:  # an existing certificate stays, with its last status
        return "" if ours is None or ours.status is not Status.DOWNLOADABLE else f"it is {ours}, and by the facts none"
    if ours is None:
        return f"there is none, and by the facts {expected}"
    if ours.status is Status.UNAVAILABLE and active_by_person(timeline):
        return ""
    by_facts = {(change.at, change.cause) for change in outcome.transitions}
    last = published.transitions[-1:]
    taken = any(change.cause in BY_A_PERSON and (change.at, change.cause) not in by_facts for change in last)
    if taken and ours.status is expected.status is not Status.DOWNLOADABLE:
        return ""  # a person took what the facts never gave: it shows what learners last saw, also once that is lifted
    ours = ours._replace(certificate_id=expected.certificate_id)
    if expected.first_issued_at is None:  # a date of issue survives facts that no longer give one
        ours = ours._replace(issued_at=None, first_issued_at=None)
    return "" if ours == expected else f"it is {ours}, and by the facts {expected}"


def _is_of_old_logic(configuration: Iterable[Entry]) -> bool:
    """Whether an import was the first to name the course run: the old logic decides there."""
    return any(entry.subject == "rollout" for entry in configuration)


def _identity(entry: Entry) -> tuple[object, ...]:
    return entry.event_id, entry.fact, entry.at, entry.value


def _entries(pair: Pair, story: Iterable[Reported]) -> Timeline:
    """Return all facts that were sent about a learner in a course run."""
    entries: list[Entry] = []
    for reported in story:
        if reported.kind is MALFORMED:
            continue
        message = decode(reported.body, reported.sent_at)
        assert message is not None
        if message.learner_id in {None, pair.learner_id} and message.course_run in {None, pair.course_run}:
            entries += message.entries
    return merge((), entries)


def _event_ids(world: World, pair: Pair) -> list[str]:
    """Return the ids of the events that history stands for, in order."""
    found = []
    for (p, s), row in sorted(world.aws.dynamodb.table(HISTORY).rows.items()):
        if place_of(HistoryItem(p, s))[0] == pair:
            events = events_of(f"{p}#{s}", row["b"]["S"], "", "")
            found += [json.loads(event.detail)["metadata"]["id"] for event in events]
    return found


def _unlike_events(world: World, pair: Pair) -> str:
    """Return how the events of a certificate differ from its history, "" if they do not."""
    expected = _event_ids(world, pair)
    details = [json.loads(event.detail) for event in world.aws.bus if event.source == OWN_SOURCE]
    published = [detail["metadata"]["id"] for detail in details]
    missing = [event_id for event_id in expected if event_id not in published]
    if missing:
        return f"{len(missing)} of {len(expected)} events were not published"
    mine = [detail for detail in details if detail["metadata"]["id"] in set(expected)]
    changed = [detail for detail in mine if detail["metadata"]["event_type"] == CHANGED]
    loaded = load([pair])
    certificate = loaded.records[pair].published.certificate
    if changed and certificate is not None and not _is_of_old_logic(loaded.course_runs[pair.course_run].timeline):
        last = changed[-1]["certificate"]["current_status"]
        if last != certificate.status:
            return f"consumers received {last} last, and it is {certificate.status}"
    return ""

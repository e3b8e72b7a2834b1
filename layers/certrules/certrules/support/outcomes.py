"""What came of acts: looked up when somebody looks at the audit log, never written into it."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Literal, NamedTuple

import msgspec

from certrules import storage
from certrules.audit import Entry, Kind
from certrules.bulk import lifecycle
from certrules.core.instants import micros
from certrules.formats.messages import EVERYWHERE
from certrules.formats.words import counted
from certrules.records.seen import actions_on
from certrules.requests import event_id_of
from certrules.storage import Loaded, Pair
from certrules.support import records
from certrules.support.acts import ACTS, SWITCHES

type State = Literal["sent", "done", "failed", "refused"]

SEND_AGAIN = "send again"
"""What it is called in the audit log to send a certificate's changes again."""

_SENT_AGAIN = {
    "retry": ("Tried again: {}.", "delivery", "deliveries"),
    SEND_AGAIN: ("Sent again, within a minute and to every consumer: {}.", "change", "changes"),
}
"""What came of acts that send something again, by their names: the sentence, and what is counted in it."""

ARRIVES_WITHIN = timedelta(minutes=15)
"""An act that has not arrived after this time was parked, or waits as a dead letter: an operator has to look."""

SETTLES_WITHIN = timedelta(seconds=15)
"""How long an act may take that leaves no trace where nothing changes."""

_MOST_LOOKED_AT = 50
"""Of how many learners of one bulk act it is looked up whether it has arrived."""


class Outcome(NamedTuple):
    """What came of an act."""

    state: State
    sentence: str


def outcomes(entries: Sequence[Entry], now: datetime) -> list[Outcome]:
    """Return what came of each entry as of now (UTC).

    One request for a hundred items of what was acted on, and two more for each entry that is about many at once.
    """
    loaded = storage.load(
        pairs={pair for entry in entries if (pair := _pair(entry)) is not None},
        course_runs={_switched(entry) for entry in entries if entry.subject.act in SWITCHES},
        names={pair.learner_id for entry in entries if entry.subject.act == "erase-name" and (pair := _pair(entry))},
    )
    return [_outcome(entry, loaded, now) for entry in entries]


def _pair(entry: Entry) -> Pair | None:
    subject = entry.subject
    if subject.learner_id is None or len(subject.course_runs) != 1 or entry.kind is Kind.REFUSAL:
        return None
    return Pair(subject.learner_id, subject.course_runs[0])


def _switched(entry: Entry) -> str:
    return entry.subject.course_runs[0] if entry.subject.course_runs else EVERYWHERE


def _outcome(entry: Entry, loaded: Loaded, now: datetime) -> Outcome:
    subject, pair = entry.subject, _pair(entry)
    if entry.kind is Kind.REFUSAL:
        return Outcome("refused", f"Nothing was done: {entry.refused}.")
    if subject.run:
        return _of_run(subject.run)
    if subject.revocation:
        return _of_revocation(entry, now)
    if subject.act in SWITCHES:
        return _arrival(entry, _has(loaded.course_runs[_switched(entry)].timeline, entry.event_id), now)
    if subject.act in _SENT_AGAIN:
        sentence, one, many = _SENT_AGAIN[subject.act]
        return Outcome("done", sentence.format(counted(entry.how_many, one, many)))
    if subject.program:
        return _of_program(entry, now)
    if pair is None:
        return _of_plan(entry, now) if subject.act in ACTS else _unseen(entry, now)
    if subject.act == "erase-name":
        erased_at = storage.name_of(loaded.names[pair.learner_id]).erased_at
        return _arrival(entry, erased_at is not None and erased_at >= micros(entry.at), now)
    if subject.act == "redecide":
        return _unseen(entry, now)
    stored = loaded.records[pair]
    return _arrival(entry, _has(stored.timeline, entry.event_id) or stored.compacted_until >= entry.at, now)


def _has(timeline: Iterable[Any], event_id: str) -> bool:
    return any(entry.event_id == event_id for entry in timeline)


def _arrival(entry: Entry, has_arrived: bool, now: datetime) -> Outcome:
    if has_arrived:
        return Outcome("done", "It has taken effect.")
    if now - entry.at > ARRIVES_WITHIN:
        fix = "an operator looks at the parked messages and the dead letters (runbook)"
        return Outcome("failed", f"It was sent and has not arrived: {fix}.")
    return Outcome("sent", "It was sent, and takes effect in a moment.")


def _unseen(entry: Entry, now: datetime) -> Outcome:
    """Return the outcome of what leaves no trace where nothing changes."""
    if now - entry.at > SETTLES_WITHIN:
        return Outcome("done", "It was sent, and is done by now; where nothing changes it leaves no trace.")
    return Outcome("sent", "It was sent, and is done in a moment.")


def _of_program(entry: Entry, now: datetime) -> Outcome:
    """Return the outcome of an act on a program certificate: one request, or none where records are off by now."""
    if entry.subject.learner_id is None or not records.is_on():
        return _unseen(entry, now)
    return _arrival(entry, _has(actions_on(entry.subject.learner_id, entry.subject.program), entry.event_id), now)


def _of_run(run_id: str) -> Outcome:
    item = storage.find_note(lifecycle.RUN, run_id)
    if not item.v:
        return Outcome("done", "The bulk run is no longer stored.")
    state = msgspec.json.decode(item.b)["state"]
    if state in lifecycle.ENDED:
        return Outcome("failed" if state in {"failed", "incomplete"} else "done", f"The bulk run is {state}.")
    return Outcome("sent", f"The bulk run is {state}.")


def _of_revocation(entry: Entry, now: datetime) -> Outcome:
    item = storage.find_note("V", entry.subject.revocation)
    if not item.v:
        return Outcome("done", "The bulk revocation is no longer stored.")
    body = msgspec.json.decode(item.b)
    if entry.kind is Kind.APPROVAL:
        return _of_many(entry, body, now)
    if body["state"] == "requested":
        return Outcome("done", "It waits for a second person.")
    return Outcome("done", f"It is {body['state']}, by {body['decided_by']}.")


def _of_plan(entry: Entry, now: datetime) -> Outcome:
    """Return the outcome of an act whose plan is remembered for a week."""
    item = storage.find_note(f"K#{entry.key.partition('#')[2]}", "-")
    if not item.v:
        return Outcome("done", "It was sent; what came of it stands in each certificate's history.")
    return _of_many(entry, msgspec.json.decode(item.b)["plan"], now)


def learners_of(entry: Entry) -> list[int]:
    """Return whom an act on many learners was about: one request. None of them once that is forgotten, after a week."""
    subject = entry.subject
    if subject.learner_id is not None or subject.run or entry.kind is Kind.REFUSAL:
        return []
    if subject.revocation:
        item = storage.find_note("V", subject.revocation)
        plan = msgspec.json.decode(item.b) if item.v else {}
    else:
        item = storage.find_note(f"K#{entry.key.partition('#')[2]}", "-")
        plan = msgspec.json.decode(item.b)["plan"] if item.v else {}
    return [int(learner) for learner in plan["learners"]] if "learners" in plan else []


def _of_many(entry: Entry, plan: Mapping[str, Any], now: datetime) -> Outcome:
    """Return the outcome of an act on many learners; the last ones, which were sent last, are looked at."""
    learners = list(plan["learners"])[-_MOST_LOOKED_AT:]
    pairs = {learner: Pair(int(learner), plan["course_run"]) for learner in learners}
    found = storage.load(pairs.values()).records
    arrived = sum(
        _has(found[pair].timeline, event_id_of("one of many", plan["id"], learner)) for learner, pair in pairs.items()
    )
    outcome = _arrival(entry, arrived == len(learners), now)
    if outcome.state == "done":
        return outcome
    return outcome._replace(sentence=f"{outcome.sentence} Of the last {len(learners)}, {arrived} have.")

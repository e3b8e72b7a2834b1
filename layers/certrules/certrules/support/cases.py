"""A learner's case in a course run: why there is a certificate or isn't, since when, and what if."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from certrules import aws, settings, storage
from certrules.core.certificate import Outcome, Pending
from certrules.core.deciding import Known, with_kill_switch
from certrules.core.explain import explanation as explaining
from certrules.core.explain import rendering
from certrules.core.explain.what_if import PossibleChange, possible_changes
from certrules.core.explain.what_if import what_if as outcome_after
from certrules.core.fact_types import Fact
from certrules.core.facts import Record
from certrules.core.guard import PublishedCertificate, is_downloadable
from certrules.core.policy import Policies
from certrules.core.replay import replay
from certrules.core.rollout import RolloutState
from certrules.core.timeline import Entry
from certrules.core.wording import old_logic_decides
from certrules.formats.events_in import decode
from certrules.formats.record_as_events import events_from
from certrules.formats.refusals import RefusedError
from certrules.formats.stored import as_time, certificate_as_json
from certrules.requests import RefusedActError
from certrules.storage import Loaded, Pair
from certrules.support import consumers
from certrules.support.case_history import (
    Published,
    history_until,
    invalidation_as_json,
    invalidations_until,
    ticket_fields,
    with_its_id,
)
from certrules.support.records import record_as_text, record_of
from certrules.support.spellings import spellings_for


@dataclass(frozen=True, slots=True)
class Case:
    """All that is stored of a learner in a course run."""

    pair: Pair
    loaded: Loaded
    policies: Policies

    @property
    def published(self) -> PublishedCertificate:
        """The certificate as it was last published."""
        return self.loaded.records[self.pair].published

    @property
    def record(self) -> Record:
        """All timelines of the case as one record."""
        return self.known.record()

    @property
    def version(self) -> int:
        """How often anything was saved of the learner in the course run."""
        return self.loaded.records[self.pair].version

    @property
    def known(self) -> Known:
        """Everything that a decision about the case rests on."""
        return self.loaded.known(self.pair, self.policies, settings.default_rollout())

    @property
    def rollout(self) -> RolloutState:
        """Who decides in the course run."""
        return self.known.rollout

    @property
    def is_known(self) -> bool:
        """Whether there is a stored record of the learner in the course run."""
        return self.version > 0

    @property
    def is_course_run_known(self) -> bool:
        """Whether the configuration of the course run was received."""
        return any(entry.fact is Fact.COURSE_RUN for entry in self.known.configuration)


def open_case(pair: Pair, policies: Policies) -> Case:
    """Read all that is stored of a learner in a course run: one request."""
    return Case(pair, storage.load([pair]), policies)


def explain(case: Case, as_of: datetime | None, now: datetime) -> explaining.Explanation:
    """Explain the case as of an instant (UTC), or (None) as it is published now: no request, if no fact is missing."""
    stored = case.loaded.records[case.pair]
    published = stored.published if as_of is None else None
    return explaining.explain(
        case.record,
        case.policies,
        as_of or now,
        published=published,
        compacted_until=stored.compacted_until,
        rollout=case.rollout,
        other_spellings=spellings_for(case.pair, case.record.timeline),
    )


class View(NamedTuple):
    """A case as it is looked at: now, or as of an instant, by what is known today."""

    case: Case
    as_of: datetime | None  # UTC; None: now
    now: datetime  # UTC
    explanation: explaining.Explanation
    history: list[Published]  # up to the instant, whenever it was published

    @property
    def published(self) -> list[Published]:
        """What was published by the instant."""
        return [item for item in self.history if item.was_published(self.as_of)]


def view_of(case: Case, as_of: datetime | None, now: datetime) -> View:
    """Look at a case as of an instant (UTC), or (None) now: two requests more, or three if a core fact is missing."""
    history = history_until(case.pair, as_of)
    return View(case, as_of, now, with_its_id(explain(case, as_of, now), history), history)


def case_as_json(view: View, certificate_url: str, dead_letters: str) -> dict[str, Any]:
    """Return everything that support can know of a case: one request more, or up to six where something is undelivered.

    Where records are on, about six more, as the record is now; as of an instant none. `dead_letters` is the queue
    that gets what could not be delivered to consumers.
    """
    case, is_now, timeline = view.case, view.as_of is None, view.case.record.timeline
    record = record_of(case.pair, case.policies, view.now) if is_now else None
    undelivered = aws.waiting_in(dead_letters) if is_now else None
    missed = consumers.missed_of(case.pair, dead_letters) if undelivered else []
    return {
        **rendering.as_json(view.explanation),
        "text": rendering.as_text(view.explanation) + record_as_text(record),
        "record": record,
        "fields": ticket_fields(timeline, view.explanation, view.history, certificate_url),
        "invalidations": invalidations_until(timeline, view.as_of),
        "history": [item.as_json() for item in view.published],
        "undelivered": undelivered,  # status changes, of anybody, that a consumer's queue didn't take
        "missed": None if undelivered is None else [{**one._asdict(), "since": as_time(one.since)} for one in missed],
        "rollout": case.rollout.rollout,
        "version": case.version,
    }


def invalidations_in(course_run: str) -> list[dict[str, Any]]:
    """Return every invalidation in a course run, active or lifted, by learner."""
    return [
        {"learner_id": learner_id, **invalidation_as_json(item)}
        for learner_id, found in sorted(storage.invalidated_in(course_run))
        for item in found
    ]


def course_runs_of(learner_id: int) -> list[dict[str, Any]]:
    """Return the course runs in which anything is known of a learner, with the certificate there: one request."""
    return [
        {
            "course_run": course_run,
            "certificate": certificate_as_json(stored.published.certificate) if stored.published.certificate else None,
            "pending": pending_as_json(stored.published.pending),
        }
        for course_run, stored in sorted(storage.records_of(learner_id).items())
    ]


def pending_as_json(pending: Pending | None) -> dict[str, Any] | None:
    """Return a pending revocation as JSON has it; without a due time it waits for a person."""
    if pending is None:
        return None
    return {"cause": pending.cause, "since": as_time(pending.since), "due": as_time(pending.due)}


def export(case: Case, now: datetime) -> dict[str, Any]:
    """Return the events that reproduce the case in `certs replay`, with the instant and the published certificate.

    `otherwise` is why the published certificate is not the outcome of the facts alone; empty if it is.
    """
    events = events_from(case.record)
    as_sent = tuple(
        entry._replace(subject="") if entry.fact is Fact.RECORDED else entry for entry in case.record.timeline
    )  # an event of the old logic does not show whether this service had published before
    record = with_kill_switch(case.record._replace(timeline=as_sent), case.policies, now)
    published, outcome = case.published, replay(record, case.policies, now)
    return {
        "events": events,
        "until": as_time(now),
        "certificate": certificate_as_json(published.certificate) if published.certificate else None,
        "pending": pending_as_json(published.pending),
        "otherwise": _otherwise(case, outcome),
    }


def _otherwise(case: Case, outcome: Outcome) -> str:
    published = case.published
    if not case.rollout.is_live:
        return (
            f"{old_logic_decides(case.rollout.rollout)} What is published is its word; a replay is what this would be."
        )
    was, certificate = published.certificate, outcome.certificate
    if was is not None and certificate is not None:
        certificate = certificate._replace(certificate_id=was.certificate_id)
    if certificate == was and outcome.pending == published.pending:
        return ""
    if is_downloadable(was) and published.pending is not None and published.pending.due is None:
        return "Facts that came late don't carry the certificate: it is kept and held, which a replay knows nothing of."
    return "What was published before counts too (dates, a status), or the last decision was as of an earlier instant."


# --- what if


def what_if(
    case: Case,
    codes: Iterable[str],
    events: Iterable[Mapping[str, Any]],
    now: datetime,
    as_of: datetime | None = None,
) -> dict[str, Any]:
    """Return the outcome of the case after changes (by their codes) and events; nothing is stored.

    The changes come at `as_of` (UTC; None: now), without what became true later. Raises RefusedActError for a
    code that can't be offered here, or an event that can't be read.
    """
    at = as_of or now
    offered = {change.code: change for change in possible_changes(case.record, case.policies, at)}
    chosen = []
    for code in codes:
        if code not in offered:
            known = ", ".join(sorted(offered))
            raise RefusedActError(
                422, f"{code!r} is no change that could be made here", f"choose of: {known}", "changes"
            )
        chosen.append(offered[code])
    entries = [entry for event in events for entry in entries_of(case.pair, event, now)]
    change = PossibleChange("events", "", "", tuple(entry._replace(at=at) for entry in entries))
    before = replay(case.record, case.policies, at)
    after = outcome_after(case.record, case.policies, at, [*chosen, change])
    return {
        "stored": False,
        "as_of": as_time(at),
        "changes": [{"code": change.code, "sentence": change.sentence, "who": change.who} for change in chosen],
        "before": {"status": before.status, "reasons": before.reasons},
        "after": {"status": after.status, "reasons": after.reasons, "pending": pending_as_json(after.pending)},
    }


def entries_of(pair: Pair, detail: Mapping[str, Any], now: datetime) -> tuple[Entry, ...]:
    """Return an event's entries about a learner. Raises RefusedActError for one that can't be read."""
    try:
        message = decode(json.dumps(detail), now)
    except RefusedError as refusal:
        raise RefusedActError(422, f"the event is refused: {refusal.reason}", refusal.fix, refusal.field) from refusal
    if message is None or message.learner_id not in {None, pair.learner_id}:
        raise RefusedActError(422, "the event is about another learner", "name the learner of the case", "learner_id")
    return message.entries

"""`certs replay`: the pure core without any cloud, from events to one certificate a line.

The JSON of a line is documented in docs/replay.md and stays as it is: support tickets are reproduced by it.
"""

import json
import zlib
from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from certrules.core.certificate import Outcome, Transition
from certrules.core.deciding import with_kill_switch
from certrules.core.explain.explanation import explain
from certrules.core.explain.rendering import as_json as explanation_as_json
from certrules.core.facts import Record
from certrules.core.guard import automatic_revocations
from certrules.core.policy import PRESETS, Policies, PolicyError, read_policies, undated
from certrules.core.programs.certificates import changes_of
from certrules.core.programs.definitions import DatedDefinition, DefinitionTimeline, merge_definitions
from certrules.core.programs.kill_switches import KillSwitches
from certrules.core.programs.outcome import ProgramAction
from certrules.core.replay import replay
from certrules.core.timeline import Entry, Timeline, compact, merge
from certrules.formats.events_in import decode
from certrules.formats.key_spellings import folded
from certrules.formats.messages import EVERYWHERE, Message
from certrules.formats.refusals import RefusedError
from certrules.formats.stored import as_time
from certs.program_lines import LearnerCertificates, ProgramActions
from certs.sources.lines import read_lines


class UnreadableError(Exception):
    """A file of events can't be read; the message names it."""


class Parked(NamedTuple):
    """A line that can't be read."""

    file: str
    line: int  # from 1
    refusal: RefusedError

    def as_json(self) -> dict[str, Any]:
        """Return it for the log of parked lines."""
        return {"file": self.file, "line": self.line, **self.refusal.as_json()}


class History:
    """The entries of a set of events, by learner and course run. Their order makes no difference."""

    def __init__(self) -> None:
        """Start with nothing."""
        self._pairs: dict[tuple[str, int], list[Entry]] = {}
        self._verifications: dict[int, list[Entry]] = {}
        self._course_runs: dict[str, list[Entry]] = {}
        self._programs: dict[str, list[DatedDefinition]] = {}
        self._program_actions: dict[int, dict[str, list[ProgramAction]]] = {}  # by learner and program
        self.first: datetime | None = None  # when the earliest event happened
        self.last: datetime | None = None  # when the latest one did

    def add(self, message: Message) -> None:
        """Add one event."""
        self.first = min(self.first or message.at, message.at)
        self.last = max(self.last or message.at, message.at)
        if message.program is not None:
            self._programs.setdefault(message.program.definition.uuid, []).append(message.program)
        learner_id, course_run = message.learner_id, message.course_run
        if learner_id is not None and message.program_action is not None:
            program, action = message.program_action
            self._program_actions.setdefault(learner_id, {}).setdefault(program, []).append(action)
            return
        if learner_id is None and course_run is not None:
            entries = self._course_runs.setdefault(course_run, [])
        elif learner_id is not None and course_run is None:
            entries = self._verifications.setdefault(learner_id, [])
        elif learner_id is not None and course_run is not None:
            entries = self._pairs.setdefault((course_run, learner_id), [])
        else:
            return
        entries += message.entries

    def spellings(self) -> dict[str, list[str]]:
        """Return the keys that differ only in spelling, of course runs that events name: each with the others."""
        keys = {course_run for course_run, _ in self._pairs} | (self._course_runs.keys() - {EVERYWHERE})
        by_form: dict[str, list[str]] = {}
        for key in sorted(keys):
            by_form.setdefault(folded(key), []).append(key)
        return {key: [other for other in group if other != key] for group in by_form.values() for key in group}

    def names(self, course_run: str, learner_id: int) -> bool:
        """Whether an event names a course run alone, or with this learner."""
        return course_run in self._course_runs or (course_run, learner_id) in self._pairs

    def everywhere(self) -> Timeline:
        """Return the timeline of the deployment, with its kill switch."""
        return merge((), self._course_runs.get(EVERYWHERE, ()))

    def switches(self) -> KillSwitches:
        """Return the kill switches of the deployment and of course runs."""
        timelines = {key: merge((), entries) for key, entries in self._course_runs.items()}
        return KillSwitches(timelines.pop(EVERYWHERE, ()), timelines)

    def programs(self) -> Iterator[DefinitionTimeline]:
        """Yield the definitions of every program."""
        return (merge_definitions((), entries) for entries in self._programs.values())

    def program_actions(self) -> ProgramActions:
        """Return what people did with pending revocations of program certificates."""
        return self._program_actions

    def records(self) -> Iterator[Record]:
        """Return the record of every learner in every course run, sorted by course run and learner."""
        course_runs = {key: compact(merge((), entries))[0] for key, entries in self._course_runs.items()}
        for (course_run, learner_id), entries in sorted(self._pairs.items()):
            shared = course_runs.get(course_run, ())
            yield Record(learner_id, course_run, merge(shared, [*self._verifications.get(learner_id, ()), *entries]))


def read_history(files: Iterable[str], now: datetime, parked: list[Parked]) -> History:
    """Return the events in these files; lines that can't be read are added to `parked`.

    Raises UnreadableError.
    """
    history = History()
    for file in files:
        for number, line in lines_of(file):
            try:
                message = decode(line, now)
            except RefusedError as refusal:
                parked.append(Parked(file, number, refusal))
            else:
                if message is not None:
                    history.add(message)
    return history


def lines_of(file: str) -> Iterator[tuple[int, bytes]]:
    """Yield the lines of a file of events, with their numbers from 1. Raises UnreadableError."""
    try:
        yield from read_lines(file)
    except (OSError, EOFError, zlib.error) as error:
        raise UnreadableError(f"{file}: {getattr(error, 'strerror', None) or error}") from error


def read_policy(name_or_file: str) -> Policies:
    """Return the policies of a preset's name or a JSON file. Raises PolicyError."""
    if name_or_file in PRESETS:
        return undated(PRESETS[name_or_file])
    path = Path(name_or_file)
    if not path.exists():
        message = f"policy: {name_or_file!r} is neither a file nor a preset; there are {', '.join(PRESETS)}"
        raise PolicyError(message)
    try:
        source = json.loads(path.read_text())
    except OSError as error:
        raise PolicyError(f"policy: {name_or_file}: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise PolicyError(f"policy: {name_or_file} is not JSON: {error}") from error
    return read_policies(source)


class Replayed:
    """The certificates of a history as of an instant (UTC), by these policies."""

    def __init__(self, history: History, policies: Policies, until: datetime) -> None:
        """Replay it line by line, with `lines`."""
        self._history, self._policies, self._until = history, policies, until
        self._everywhere, self._spellings = history.everywhere(), history.spellings()
        self._revocations: dict[str, list[Transition]] = {}  # automatic ones that took effect, by course run

    def lines(self, *, with_explanation: bool, with_programs: bool = False) -> Iterator[str]:
        """Yield one line of output for each learner in each course run; then one for each learner and program."""
        programs = self._history.programs() if with_programs else ()
        held = LearnerCertificates(programs, self._history.program_actions())
        for whole in self._history.records():
            record = with_kill_switch(whole, self._policies, self._until, self._everywhere)
            outcome = replay(record, self._policies, self._until)
            if held.counts(record.course_run):
                changes = changes_of(outcome.transitions, outcome.certificate)
                held.add(record.learner_id, record.course_run, changes)
            revocations = automatic_revocations(outcome.transitions)
            if revocations:
                self._revocations.setdefault(record.course_run, []).extend(revocations)
            line = outcome_as_json(record, outcome)
            keys = self._spellings[record.course_run]
            others = tuple(key for key in keys if self._history.names(key, record.learner_id))
            line["other_spellings"] = others
            if with_explanation:
                explanation = explain(record, self._policies, self._until, other_spellings=others)
                line["explanation"] = explanation_as_json(explanation)
            yield json.dumps(line, ensure_ascii=False)
        for line in held.lines(self._until, self._policies, self._history.switches()):
            yield json.dumps(line, ensure_ascii=False)

    def notes(self) -> Iterator[dict[str, Any]]:
        """Yield what a reader has to know beside the lines; for when all lines were read."""
        first = self._history.first
        if first is not None and self._until < first:
            sentence = f"Nothing had happened yet: the first event is of {as_time(first)}."
            yield {"note": "before_first_event", "until": as_time(self._until), "sentence": sentence}
        for course_run, revocations in sorted(self._revocations.items()):
            if (beyond := _beyond_breaker(revocations)) > 0:
                sentence = (
                    f"{beyond} of {len(revocations)} automatic revocations are beyond the breaker's limit. The service "
                    "would have held them for a person; which ones depends on when it decided each: no event has that."
                )
                yield {
                    "note": "breaker",
                    "course_run": course_run,
                    "revocations": len(revocations),
                    "sentence": sentence,
                }


def _beyond_breaker(revocations: list[Transition]) -> int:
    """Return how many revocations of one course run a breaker holds that looks at them as they took effect."""
    passed: list[datetime] = []
    for revocation in sorted(revocations, key=lambda item: item.at):
        policy = revocation.decision.facts.policy
        window_start, limit = revocation.at - policy.breaker_window, policy.breaker_limit
        if limit and (len(passed) < limit or passed[-limit] <= window_start):
            passed.append(revocation.at)
    return len(revocations) - len(passed)


def outcome_as_json(record: Record, outcome: Outcome) -> dict[str, Any]:
    """Return the outcome of a record, in the stable form."""
    certificate, transitions, pending = outcome.certificate, outcome.transitions, outcome.pending
    return {
        "learner_id": record.learner_id,
        "course_run": record.course_run,
        "status": outcome.status,
        "cause": transitions[-1].cause if transitions else None,
        "reasons": outcome.reasons,
        "mode": (certificate.mode or None) if certificate else None,
        "grade": (certificate.grade or None) if certificate else None,
        "issued_at": as_time(certificate.issued_at) if certificate else None,
        "first_issued_at": as_time(certificate.first_issued_at) if certificate else None,
        "transitions": [
            {"at": as_time(transition.at), "status": transition.status, "cause": transition.cause}
            for transition in transitions
        ],
        "pending": pending and {"cause": pending.cause, "since": as_time(pending.since), "due": as_time(pending.due)},
    }

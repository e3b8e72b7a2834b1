"""The lines of a plan, as people read them before they approve it: page by page, filtered, and as a table.

What is read is what was sealed: the names of the parts are compared with the seal, and each part with its name. A part
at a time is in memory as objects, so a plan may have any number of lines.
"""

import csv
from collections.abc import Iterator, Mapping
from datetime import datetime
from io import StringIO
from itertools import batched
from typing import Any, NamedTuple

import msgspec

from certrules import aws
from certrules.bulk.runs import (
    NO_TRANSITION,
    PartName,
    Plan,
    PlannedChange,
    digest_of,
    folder_of,
    transition_of,
)
from certrules.bulk.seal import START_AGAIN, PlanError, checked_plan, fields_of, readable, request_of
from certrules.core.rules import RULEBOOK, Edition
from certrules.core.terms import Cause, Status
from certrules.core.wording import BECAUSE, listed, status_text, when
from certrules.requests import RefusedActError
from certrules.storage import shard_of

MOST_LOOKED_AT = 100_000
"""How many lines are looked at for one page of a filtered plan: seconds, where none of them is wanted."""

COLUMNS = (
    "line", "learner_id", "course_run", "from", "to", "cause", "at", "reasons", "pending", "due", "takes_away", "why",
)  # fmt: skip

_AT_ONCE = 20
"""How many parts are fetched at once if most of their lines may be left out."""


class Filter(NamedTuple):
    """Which lines of a plan are wanted; None: any."""

    transition: str | None = None  # "downloadable > notpassing", as the plan counts them
    cause: str | None = None
    reason: str | None = None
    learner_id: int | None = None
    course_run: str | None = None
    takes_away: bool = False  # only what takes a certificate away, if only for a time

    def takes(self, change: PlannedChange) -> bool:
        """Whether a change is wanted."""
        return (
            (self.transition is None or transition_of(change) == self.transition)
            and (self.cause is None or (change.cause or NO_TRANSITION) == self.cause)
            and (self.reason is None or self.reason in change.reasons)
            and (self.learner_id is None or change.learner_id == self.learner_id)
            and (self.course_run is None or change.course_run == self.course_run)
            and (not self.takes_away or change.revokes)
        )

    def may_be_in(self, part: PartName) -> bool:
        """Whether a part may have wanted lines."""
        return self.learner_id is None or part.shard in {None, shard_of(self.learner_id)}


class Line(NamedTuple):
    """A line of a plan: its place, from 0 on, and the change."""

    place: int
    change: PlannedChange


class ReadablePlan(NamedTuple):
    """A plan of which the names of the parts are as they were sealed."""

    folder: aws.Folder
    plan: Plan
    parts: list[PartName]
    edition: Edition  # the rules by which the run decided

    @property
    def size(self) -> int:
        """How many lines there are."""
        return self.plan.counts.changes

    def lines(self, wanted: Filter, start: int, end: int) -> Iterator[Line]:
        """Return the wanted lines from a place on up to, not including, another one.

        Raises RefusedActError if a part was altered.
        """
        at_once = 1 if wanted == Filter() else _AT_ONCE
        for some in batched(self._parts(wanted, start, end), at_once, strict=False):
            contents = aws.each(lambda item: self.folder.read(f"plan/{item[1].name}.json"), some)
            for (first, part), content in zip(some, contents, strict=True):
                if content is None or digest_of(content) != part.sha256:
                    raise _altered(f"plan/{part.name}.json")
                changes = msgspec.json.decode(content, type=list[PlannedChange])
                for place, change in enumerate(changes, first):
                    if start <= place < end and wanted.takes(change):
                        yield Line(place, change)

    def _parts(self, wanted: Filter, start: int, end: int) -> Iterator[tuple[int, PartName]]:
        """Return the parts that may have wanted lines between two places, each with the place of its first line."""
        first = 0
        for part in self.parts:
            if first < end and first + part.changes > start and wanted.may_be_in(part):
                yield first, part
            first += part.changes


def plan_of(bucket: str, body: Mapping[str, Any]) -> ReadablePlan:
    """Return the plan of a run, of its note. Raises RefusedActError if there is none, or if it was altered."""
    folder, request = folder_of(bucket, body["id"]), request_of(body)
    sealed = body["sealed"]
    if not sealed:
        plan = readable(folder, "plan.json", Plan)
        if plan is None:
            raise RefusedActError(404, "there is no plan yet", "wait until every shard is planned", "id")
        parts = readable(folder, "parts.json", list[PartName]) or []
        # nobody is asked, so that nothing is noted yet: it is believed as far as it fits its own hash
        sealed = {"hash": plan.hash, "fields": fields_of(request, plan, parts, folder.read("comparison.json") or b"")}
    try:
        plan, parts, _ = checked_plan(folder, {**body, "sealed": sealed})
    except PlanError as error:
        raise RefusedActError(409, "the plan was altered since it was sealed", str(error), "id") from error
    return ReadablePlan(folder, plan, parts, RULEBOOK.at(request.at))


def refuse_unknown(plan: Plan, wanted: Filter) -> None:
    """Raise RefusedActError, which names those that there are, if no line has a transition, a cause or a reason."""
    counts = plan.counts
    for name, value, known in (
        ("transition", wanted.transition, counts.by_status),
        ("cause", wanted.cause, counts.by_cause),
        ("reason", wanted.reason, counts.by_reason),
    ):
        if value is not None and value not in known:
            fix = f"the plan has {listed(sorted(known))}" if known else f"no line of it has a {name}"
            raise RefusedActError(422, f"no line of the plan has the {name} {value[:80]!r}", fix, name)


def page_of(found: ReadablePlan, wanted: Filter, start: int, limit: int) -> tuple[list[Line], int | None]:
    """Return so many wanted lines from a place on, and where the next page starts; None at the end.

    Looks at MOST_LOOKED_AT lines; then the next page may start although this one is not full.
    """
    refuse_unknown(found.plan, wanted)
    end = start + MOST_LOOKED_AT if wanted.learner_id is None else found.size  # a learner is in one part of sixteen
    taken: list[Line] = []
    for line in found.lines(wanted, start, end):
        if len(taken) == limit:
            return taken, line.place
        taken.append(line)
    return taken, end if end < found.size else None


def table_of(found: ReadablePlan, wanted: Filter, start: int, size: int, *, heads: bool) -> tuple[str, int | None]:
    """Return the wanted lines of so many from a place on as CSV, and where the next piece starts; None at the end.

    With `heads` it begins with the columns.
    """
    refuse_unknown(found.plan, wanted)
    text = StringIO()
    table = csv.writer(text)
    if heads:
        table.writerow(COLUMNS)
    end = start + size
    table.writerows(_row(line, found.edition) for line in found.lines(wanted, start, end))
    return text.getvalue(), end if end < found.size else None


def line_as_json(line: Line, edition: Edition) -> dict[str, Any]:
    """Return a line for people: whose, from what, to what, why."""
    change = line.change
    return {
        "line": line.place,
        "learner_id": change.learner_id,
        "course_run": change.course_run,
        "before": change.before,
        "after": change.after,
        "cause": change.cause,
        "at": change.at,
        "reasons": list(change.reasons),
        "pending": change.end.pending and change.end.pending[0],
        "due": change.end.due,
        "takes_away": change.revokes,
        "sentence": sentence_of(change, edition),
    }


def _row(line: Line, edition: Edition) -> tuple[object, ...]:
    values = line_as_json(line, edition)
    reasons, takes_away = " ".join(values.pop("reasons")), "yes" if values.pop("takes_away") else ""
    *some, pending, due, why = values.values()
    return (*some, reasons, pending, due, takes_away, why)


def why_of(change: PlannedChange, edition: Edition) -> str:
    """Return why the status changes, as what follows a "because"; "" if it stays."""
    if not change.steps:
        return ""
    cause = BECAUSE.get(Cause(change.steps[-1].cause), "")  # a label has no cause but its reasons
    return ": ".join(filter(None, (cause, edition.reasons_text(change.reasons))))


def sentence_of(change: PlannedChange, edition: Edition) -> str:
    """Return what a change does, and why, by the rules of an edition."""
    if why := why_of(change, edition):
        return f"{_what(change)} because {why}."
    after = _status(change.after)
    stays = "There is still no certificate" if after is None else f"The certificate stays {status_text(after)}"
    if change.end.pending is None:
        return f"{stays}; only its details, or when it is looked at next, change."
    cause, _, due = change.end.pending
    until = "a person decides" if due is None else when(datetime.fromisoformat(due))
    return f"{stays}; a revocation is pending until {until} because {BECAUSE[Cause(cause)]}."


def _what(change: PlannedChange) -> str:
    before, after = _status(change.before), _status(change.after)
    if before is None:
        return f"There will be a certificate: {status_text(after)},"
    if before is after:
        return f"The certificate stays {status_text(after)}, with changes in between, the last one"
    return f"The certificate changes from {status_text(before)} to {status_text(after)}"


def _status(text: str | None) -> Status | None:
    return None if text is None else Status(text)


def _altered(name: str) -> RefusedActError:
    return RefusedActError(409, "the plan was altered since it was sealed", f"{name} differs; {START_AGAIN}", "id")

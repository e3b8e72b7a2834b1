"""The picture of a case: a lane for each kind of fact, the certificate's status below, and dates on an axis.

Where things stand is computed here, in the units of the picture; a template draws it.
"""

from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from math import log2
from typing import Any, NamedTuple

from certrules.core.explain.explanation import Explanation
from certrules.core.explain.timeline import Moment
from certrules.core.fact_types import Approval, Fact
from certrules.core.terms import RevocationAction, Status
from certrules.core.timeline import Timeline
from certrules.core.wording import status_text
from certrules.support.case_history import Published, values_at

LEFT, RIGHT, LEAST, STEP = 150, 40, 900, 26
"""Where the plot begins, what is free to its right, the least width of a picture, and the room of an instant."""

LETTER = 7.5
"""About how wide a letter of a label is."""

MOST = 40
"""How many instants a picture shows; of more, the last."""


class Span(NamedTuple):
    """A state that lasted."""

    start: float
    end: float
    state: str  # "good", "bad", "wait" or "none"; of the certificate its status
    label: str  # "" if there is no room for it
    meaning: str


class Mark(NamedTuple):
    """Something that happened."""

    x: float
    entry: int  # its place among the moments of the explanation
    sentence: str
    label: str


class Lane(NamedTuple):
    """A row of the picture."""

    name: str
    spans: list[Span]
    marks: list[Mark]


class Tick(NamedTuple):
    """A date on the axis."""

    x: float
    date: str
    is_end: bool


class Story(NamedTuple):
    """The picture of a case; the entries beside it hold the same."""

    width: int
    lanes: list[Lane]  # the last is the certificate
    ticks: list[Tick]
    left_out: int  # how many instants are older than the picture


type State = tuple[str, str] | None
type Values = Mapping[tuple[Fact, str], Any]


def story_of(timeline: Timeline, explanation: Explanation, history: Sequence[Published]) -> Story | None:
    """Draw a case up to the instant explained; None if nothing happened."""
    moments = [(at, moment) for at, moment in enumerate(explanation.timeline) if _lane_of(moment) is not None]
    held = [item.at for item in history if item.kind == "held"]
    known = sorted({moment.at for _, moment in moments} | {at for at in held if at <= explanation.as_of})
    if not known:
        return None
    instants = known[-MOST:]
    axis = Axis(instants, explanation.as_of)
    lanes = [
        Lane(name, axis.spans(_states(timeline, instants, state)), axis.marks(moments, name))
        for name, state in _LANES.items()
    ]
    holds = axis.spans(_held(explanation, held, instants))
    certificate = axis.spans(_statuses(explanation, instants))
    lanes += [Lane(HOLDS, holds, axis.marks(moments, HOLDS)), Lane(STATUS, certificate, axis.marks(moments, STATUS))]
    return Story(axis.width, lanes, list(axis.ticks()), len(known) - len(instants))


class Axis:
    """Instants along the picture, oldest first: long times without a change take less room, but some."""

    def __init__(self, instants: Sequence[datetime], end: datetime) -> None:
        """Give each instant its place."""
        self.instants, self.end = [*instants, end], end
        weights = [
            1 + log2(1 + (later - earlier).total_seconds() / 86_400)
            for earlier, later in zip(self.instants, self.instants[1:], strict=False)
        ]
        self.width = max(LEAST, LEFT + RIGHT + STEP * len(weights))
        unit = (self.width - LEFT - RIGHT) / sum(weights)
        self.places = [float(LEFT)]
        for weight in weights:
            self.places.append(round(self.places[-1] + weight * unit, 1))

    def x(self, at: datetime) -> float:
        """Return the place of an instant of the axis; what is older is at its beginning."""
        return self.places[max(0, bisect_right(self.instants, at) - 1)]

    def spans(self, states: Sequence[tuple[datetime, State]]) -> list[Span]:
        """Return the states that lasted: each up to the next one."""
        ends = [at for at, _ in states[1:]] + [self.end]
        found = []
        for (at, state), until in zip(states, ends, strict=True):
            start, end = self.x(at), self.places[-1] if until is self.end else self.x(until)
            if state is not None and end > start:
                fits = len(state[1]) * LETTER <= end - start
                found.append(Span(start, end, state[0], state[1] if fits else "", state[1]))
        return found

    def marks(self, moments: Sequence[tuple[int, Moment]], lane: str) -> list[Mark]:
        """Return what happened in a lane; marks of one instant stand beside each other."""
        found: list[Mark] = []
        for entry, moment in moments:
            if _lane_of(moment) == lane and moment.at >= self.instants[0]:
                x = self.x(moment.at)
                x = found[-1].x + 12 if found and found[-1].x >= x else x
                label = moment.value if moment.fact == Fact.GRADE else ""
                found.append(Mark(x, entry, moment.sentence, label))
        return found

    def ticks(self) -> Iterator[Tick]:
        """Return the dates for which there is room; the last is the instant explained."""
        last = float("-inf")
        for at, x in zip(self.instants[:-1], self.places[:-1], strict=True):
            if x - last >= 84 and self.places[-1] - x >= 84:
                yield Tick(x, _day(at), is_end=False)
                last = x
        yield Tick(self.places[-1], _day(self.end), is_end=True)


def _day(at: datetime) -> str:
    return f"{at:%-d %b %Y}"


# --- lanes: what a state of the facts shows

HOLDS, STATUS = "Held revocations", "Certificate"


def _enrollment(values: Values) -> State:
    found = values.get((Fact.ENROLLMENT, ""))
    if found is None:
        return None
    return ("good", found.mode) if found.active else ("none", f"{found.mode}, inactive")


def _passing(values: Values) -> State:
    found = values.get((Fact.PASSING, ""))
    return None if found is None else ("good", "passed") if found else ("bad", "failing")


def _allowlist(values: Values) -> State:
    return ("good", "on the allowlist") if values.get((Fact.ALLOWLIST, "")) else None


def _invalidations(values: Values) -> State:
    return ("bad", "invalidated") if any(v for (fact, _), v in values.items() if fact is Fact.INVALIDATION) else None


def _id_verification(values: Values, at: datetime) -> State:
    attempts = [value for (fact, _), value in values.items() if fact is Fact.ID_VERIFICATION]
    approved = [value for value in attempts if isinstance(value, Approval)]
    if any(value.expires_at is None or value.expires_at > at for value in approved):
        return "good", "approved"
    return ("bad", "expired") if approved else ("bad", "denied") if attempts else None


_LANES: Mapping[str, Callable[[Values, datetime], State]] = {
    "Enrollment mode": lambda values, _: _enrollment(values),
    "Passing, percent": lambda values, _: _passing(values),
    "ID verification": _id_verification,
    "Allowlist": lambda values, _: _allowlist(values),
    "Invalidations": lambda values, _: _invalidations(values),
}

_LANE_OF: Mapping[str, str] = {
    Fact.ENROLLMENT: "Enrollment mode",
    Fact.PASSING: "Passing, percent",
    Fact.GRADE: "Passing, percent",
    Fact.ID_VERIFICATION: "ID verification",
    Fact.ALLOWLIST: "Allowlist",
    Fact.INVALIDATION: "Invalidations",
    Fact.REVOCATION: HOLDS,
    Fact.RECORDED: STATUS,
}


def _lane_of(moment: Moment) -> str | None:
    return STATUS if moment.kind == "transition" else _LANE_OF.get(moment.fact)


def _states(
    timeline: Timeline, instants: Sequence[datetime], state: Callable[[Values, datetime], State]
) -> list[tuple[datetime, State]]:
    """Return the states of a lane from each instant on, without those that only repeat the one before."""
    found: list[tuple[datetime, State]] = []
    for at in instants:
        now = state(values_at(timeline, at), at)
        if not found or found[-1][1] != now:
            found.append((at, now))
    return found


def _held(
    explanation: Explanation, held: Sequence[datetime], instants: Sequence[datetime]
) -> list[tuple[datetime, State]]:
    """Return when a revocation was pending: from its beginning to an action, a transition, or passing again."""
    pending: State = ("wait", "revocation pending")
    ends = {
        moment.at
        for moment in explanation.timeline
        if moment.kind == "transition"
        or (moment.fact == Fact.REVOCATION and moment.value != RevocationAction.HELD)
        or (moment.fact, moment.value) in {(Fact.PASSING, "passed"), (Fact.ALLOWLIST, "added")}
    }
    begins = {at for at in held if at <= explanation.as_of}
    if explanation.pending is not None:
        begins.add(explanation.pending.since)
    found: list[tuple[datetime, State]] = [(at, pending) for at in begins if at not in ends]
    found += [(at, None) for at in ends]
    return sorted(found, key=lambda item: item[0]) or [(instants[0], None)]


def _statuses(explanation: Explanation, instants: Sequence[datetime]) -> list[tuple[datetime, State]]:
    """Return the certificate's statuses; the last is the one that is explained, whatever a replay comes to."""
    changes = [moment for moment in explanation.timeline if moment.kind == "transition"]
    found: list[tuple[datetime, State]] = [(instants[0], ("none", status_text(None)))]
    found += [(moment.at, (moment.value, status_text(Status(moment.value)))) for moment in changes]
    last = explanation.status
    found[-1] = (found[-1][0], ("none" if last is None else last, status_text(last)))
    return found

"""A history item as the index of transitions has it: a short text, with a letter for each status and cause.

`<previous><status><cause>|<by>`: `-` is no certificate, and `!` in the place of the status is a revocation that was
held, which changes no status. The breaker's items are not in the index.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple

import msgspec

from certrules.core.terms import Cause, Status
from certrules.formats.standings import STATUS_LETTERS

CAUSE_LETTERS: Mapping[Cause, str] = {
    Cause.EARNED: "a",
    Cause.REINSTATED: "b",
    Cause.RECORDED: "c",
    Cause.LABELLED: "d",
    Cause.INVALIDATED: "e",
    Cause.EXAM_REJECTED: "f",
    Cause.GRADE_FELL: "g",
    Cause.ALLOWLIST_REMOVED: "h",
    Cause.RECORDED_WHILE_INVALIDATED: "i",
    Cause.NEVER_EARNED: "j",
    Cause.NEVER_PASSED: "k",
    Cause.LATE_ENTRY: "l",
}
"""A letter for each cause. They are stored: a letter is never given to another cause."""

AWARDED, LOST, HELD, OTHER = "awarded", "lost", "held", "other"
CHANGES = (AWARDED, LOST, HELD, OTHER)
"""What a transition is: an award, a loss of `downloadable`, a revocation that was held, or any other change."""

CODE_LENGTH = 3
"""How many letters stand before the actor."""

_STATUSES = {letter: status for status, letter in STATUS_LETTERS.items()}
_CAUSES = {letter: cause for cause, letter in CAUSE_LETTERS.items()}
_NONE, _HELD = "-", "!"


class _Body(msgspec.Struct):
    """What the index needs of a history item."""

    kind: str
    at: datetime
    cause: str = ""
    previous: str | None = None
    status: str = ""
    by: str = ""


class TransitionText(NamedTuple):
    """A transition, or a revocation that was held, as the index has it."""

    previous: Status | None  # None: no certificate
    status: Status | None  # None: of a later release
    cause: Cause | None  # same
    is_held: bool  # whether a revocation was held, and the status stays
    by: str  # the actor; "": the facts alone

    @property
    def change(self) -> str:
        """What it is, one of CHANGES."""
        if self.is_held:
            return HELD
        before, after = self.previous is Status.DOWNLOADABLE, self.status is Status.DOWNLOADABLE
        return OTHER if before is after else LOST if before else AWARDED


def transition_text(body: str) -> tuple[datetime, str] | None:
    """Return since when (UTC) a history item (JSON) is true, and its text for the index; None: it is not listed."""
    found = msgspec.json.decode(body, type=_Body)
    if found.kind not in {"transition", HELD} or found.cause not in CAUSE_LETTERS:
        return None
    if found.kind == HELD:
        change = STATUS_LETTERS[Status.DOWNLOADABLE] + _HELD
    else:
        statuses = (found.previous, found.status)
        change = "".join(STATUS_LETTERS[Status(status)] if status else _NONE for status in statuses)
    return found.at, f"{change}{CAUSE_LETTERS[Cause(found.cause)]}|{found.by}"


def read_transition_text(text: str) -> TransitionText:
    """Return what a stored text, or its letters alone, stands for."""
    is_held = text[1] == _HELD
    after = Status.DOWNLOADABLE if is_held else _STATUSES.get(text[1])
    return TransitionText(_STATUSES.get(text[0]), after, _CAUSES.get(text[2]), is_held, text[CODE_LENGTH + 1 :])

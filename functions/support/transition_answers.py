"""What the calls about transitions answer."""

from typing import Annotated, Literal

from pydantic import Field

from answer_models import Answer
from certrules.core.terms import Cause, Status
from certrules.formats.transition_texts import CHANGES
from models import Instant


class ListedTransition(Answer):
    """A change of a certificate's status, or a revocation that was held."""

    key: Annotated[str, Field(description="It sorts by time.")]
    at: Annotated[Instant, Field(description="Since when it is true; it may have been found out later.")]
    learner_id: int
    username: Annotated[str | None, Field(description="As it is stored here; null: names are not, or it was erased.")]
    course_run: str
    number: Annotated[int, Field(description="Of the change in the certificate's history, from 1.")]
    change: Annotated[
        Literal[*CHANGES],  # type: ignore[valid-type]
        Field(description="awarded, lost (it is no longer downloadable), held (a revocation; no change), or other."),
    ]
    previous: Annotated[Status | None, Field(description="null: there was no certificate.")]
    status: Status | None
    cause: Cause | None
    by: Annotated[str, Field(description="Who caused it; empty: the facts alone.")]


class TransitionsPage(Answer):
    """A page of transitions of all course runs, newest first."""

    transitions: list[ListedTransition]
    next: Annotated[str | None, Field(description="null: no more. A page may be empty, and others follow.")]


class CauseCount(Answer):
    """How many changes had a cause."""

    value: Annotated[str, Field(description="The cause; empty: one of a later release.")]
    count: int


class Week(Answer):
    """What changed in a week; without numbers (zeros) if it is not counted yet."""

    week: Annotated[str, Field(description="Its Monday, YYYY-MM-DD, UTC.")]
    counted_at: Annotated[
        Instant | None, Field(description="As of when; null: not counted yet, ask again. `fresh` counts again.")
    ]
    complete: Annotated[bool, Field(description="false: there are more than were counted.")]
    awarded: int
    lost: int
    held: Annotated[int, Field(description="Revocations that were held for a person.")]
    awarded_by_cause: list[CauseCount]
    lost_by_cause: list[CauseCount]


class Weeks(Answer):
    """What changed by week, the newest first."""

    weeks: list[Week]

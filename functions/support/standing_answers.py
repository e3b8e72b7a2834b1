"""What a course run's numbers and lists are, as the OpenAPI document has them."""

from typing import Annotated, Literal

from pydantic import Field

from answer_models import Answer
from certrules.core.terms import Status
from certrules.formats.standings import LETTERS, STEPS
from models import Instant


class Number(Answer):
    """How many learners have a value; the value filters the list."""

    value: str
    count: int


class Step(Answer):
    """How many learners came at least so far."""

    value: Literal[*STEPS]  # type: ignore[valid-type]
    count: int


class Day(Answer):
    """What happened on a day (UTC)."""

    day: str
    awarded: Annotated[int, Field(description="Certificates issued that day which are downloadable now.")]
    lost: Annotated[int, Field(description="Certificates lost that day which are not downloadable now.")]


class CourseRunSummary(Answer):
    """Who has what in a course run, in numbers."""

    course_run: str
    at: Annotated[Instant, Field(description="As of when it was counted; `fresh` counts again.")]
    learners: int
    uncounted: Annotated[int, Field(description="Stored by an earlier release: each is counted from its next event.")]
    by_status: list[Number]
    by_mode: list[Number]
    by_reason: Annotated[list[Number], Field(description="A learner may have several.")]
    funnel: list[Step]
    days: Annotated[list[Day], Field(description="The last 60 days with awards or losses, newest first.")]


class Standing(Answer):
    """A learner's standing in a course run, as of the last saved decision."""

    learner_id: int
    status: Status | None
    pending: bool
    mode: str | None
    reasons: list[Literal[*LETTERS]]  # type: ignore[valid-type]
    change: Literal["awarded", "lost"] | None
    day: Annotated[str | None, Field(description="UTC, of the award or the loss.")]


class StandingsPage(Answer):
    """A page of the learners of a course run whom a filter takes."""

    course_run: str
    learners: list[Standing]
    next: Annotated[
        str | None, Field(description="Few learners of a large course run may fill no page, or be on later ones only.")
    ]

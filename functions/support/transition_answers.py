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

"""Answers about learners' records: programs, deliveries, and what becomes of program certificates."""

from typing import Annotated, Any

from pydantic import Field

from answer_models import Answer, model_of
from certrules.core.deliveries.desired import Kind
from certrules.core.deliveries.outcomes import Waiting
from certrules.core.explain.deliveries import DeliveryState
from certrules.core.explain.programs import ProgramExplanation
from certrules.core.programs.outcome import ProgramAction
from certrules.core.programs.preview import HiddenProgram, ProgramsPreview
from certrules.core.programs.reasons import ProgramCause, ProgramCertificateStatus
from certrules.support.program_acts import ProgramActPreview

DeliveryOf: Any = model_of(DeliveryState)
type Delivered = Annotated[
    DeliveryOf | None,
    Field(description="How far it is with the Credentials service; null: there is nothing to deliver."),
]
Hidden: Any = model_of(HiddenProgram, "Hidden", sentence=(str, ...))
type HiddenBy = Annotated[
    Hidden | None, Field(description="From when on the program certificate is shown; null: at once, or as of then.")
]
ActOnProgram: Any = model_of(ProgramAction, "ActOnProgram")
type ActsOnProgram = Annotated[
    list[ActOnProgram], Field(description="What people did with its pending revocations, the newest last.")
]
Program: Any = model_of(
    ProgramExplanation,
    "Program",
    text=(str, ...),
    delivery=(Delivered, ...),
    acts=(ActsOnProgram, ...),
    hidden=(HiddenBy, ...),
)


class Programs(Answer):
    """A learner's programs, and the deliveries of all else."""

    learner_id: int
    programs: list[Program]
    deliveries: Annotated[list[DeliveryOf], Field(description="Of the username, course credentials and grades.")]
    waits: Annotated[bool, Field(description="Whether any of them, or of the programs', is not delivered yet.")]


class CaseProgram(Answer):
    """A program that lists the course run."""

    program: Annotated[str, Field(description="Its uuid.")]
    title: str
    status: ProgramCertificateStatus | None
    sentence: str
    carries: Annotated[list[str], Field(description="The courses that this certificate carries.")]
    courses: Annotated[list[str], Field(description="A sentence for each course that lists the course run.")]


class CaseRecord(Answer):
    """A certificate in the learner's record."""

    delivery: Delivered
    programs: list[CaseProgram]


PreviewedPrograms: Any = model_of(
    ProgramsPreview,
    "PreviewedPrograms",
    sentences=(Annotated[list[str], Field(description="One for each program certificate.")], ...),
)


class ProgramOfLearner(Answer):
    """What becomes of a learner's program certificate."""

    learner_id: int
    sentence: str


class ProgramsOfMany(Answer):
    """What becomes of the program certificates of many learners."""

    falling: Annotated[int, Field(description="Program certificates that would be revoked.")]
    surviving: Annotated[int, Field(description="Those that stay because another course run carries them.")]
    listed: Annotated[list[ProgramOfLearner], Field(description="The first of them.")]


ProgramPreview: Any = model_of(ProgramActPreview, "ProgramPreview")


class ProgramActed(Answer):
    """An act on a program certificate that was sent; it is done when the event is read."""

    event_id: str
    at: Annotated[str, Field(json_schema_extra={"format": "date-time"})]
    title: Annotated[str, Field(description="The program's.")]
    cause: Annotated[ProgramCause, Field(description="Of the pending revocation.")]
    sentences: Annotated[list[str], Field(description="What it does, then what stays.")]


class Waits(Answer):
    """A delivery that waits."""

    kind: Kind
    learner_id: Annotated[int | None, Field(description="null: it is about a course run.")]
    key: Annotated[str, Field(description="The course run, or the program's uuid; empty for a username.")]
    reason: Annotated[Waiting | None, Field(description="null: it was not tried so far, or is being sent.")]
    meaning: str
    remedy: str


class WaitingPage(Answer):
    """A page of deliveries that wait; it may be empty, and others follow."""

    waiting: list[Waits]
    next: str | None


class Retried(Answer):
    """How many deliveries are tried again."""

    retried: int

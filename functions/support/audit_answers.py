"""What the calls about the audit log answer."""

from typing import Annotated, Literal

from pydantic import Field

from answer_models import Answer
from certrules.audit import Kind
from models import Instant


class Outcome(Answer):
    """What came of it."""

    state: Literal["sent", "done", "failed", "refused"]
    sentence: str


class AuditEntry(Answer):
    """Something that a person did, approved, declined, or was refused."""

    key: Annotated[str, Field(description="Of the entry; it sorts by time.")]
    at: Instant
    by: str
    kind: Kind
    act: str
    reason: str
    learner_id: int | None
    course_runs: Annotated[list[str], Field(description="None: everywhere, or a bulk run over all.")]
    run: Annotated[str | None, Field(description="The bulk run.")]
    revocation: Annotated[str | None, Field(description="The bulk revocation.")]
    program: str | None
    count: Annotated[int, Field(description="On how many certificates, course runs or deliveries.")]
    event_id: Annotated[str | None, Field(description="Of the event that is the act; null: none, or several.")]
    outcome: Outcome


class AuditPage(Answer):
    """A page of the audit log, newest first."""

    entries: list[AuditEntry]
    next: Annotated[str | None, Field(description="null: no more. A page may be empty, and others follow.")]

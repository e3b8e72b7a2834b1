"""Answers about bulk runs."""

from typing import Annotated, Any, Literal

from pydantic import Field

from answer_models import Answer, Instants
from certrules.bulk.runs import Approvers
from certrules.core.comparison import Effect, Kind
from certrules.core.terms import Rollout
from models import Instant
from record_answers import ProgramsOfMany


class RunRequest(Answer):
    """The request for a bulk run."""

    course_runs: list[str] | Literal["all"]
    by: str
    reason: str
    at: Annotated[Instant, Field(description="As of when everything is decided.")]
    statuses: list[str] | None = None
    learners: Annotated[int | None, Field(description="How many are named.")]
    dry_run: bool = False
    purpose: Literal["regenerate", "compare"] = "regenerate"
    as_if: Rollout | None = None
    concurrency: int = 20
    records_per_second: int | None = None
    approval_seconds: int = 86_400


class PlannedPrograms(ProgramsOfMany):
    """What becomes of program certificates by a plan."""

    learners: Annotated[int, Field(description="How many would lose a certificate.")]
    looked_at: Annotated[int, Field(description="Of how many of them programs were looked at.")]


class PlanInNumbers(Answer):
    """The summary of a plan for its approver."""

    hash: str
    approvers: Approvers
    records: int
    changes: int
    revocations: int
    undecided: Annotated[int, Field(description="How many records could not be decided; the report names them.")]
    course_runs_changed: int
    by_status: Annotated[dict[str, int], Field(description="From and to, as in `downloadable > notpassing`.")]
    by_cause: dict[str, int]
    by_reason: dict[str, int]
    programs: Annotated[
        PlannedPrograms | None,
        Field(description="null: nobody loses a certificate, records are off, or the plan waits for no approval."),
    ] = None


class RunApproval(Answer):
    """Who approved which plan."""

    hash: str
    by: str
    at: Instant


class RunOutcome(Answer):
    """What became of the planned changes."""

    applied: int
    already: int
    changed_since: int
    failed: int
    unknown: int


class PartsDone(Answer):
    """How many parts of a plan there are, and are done."""

    all: int
    done: int


class Agreed(Answer):
    """How the old logic's certificates compare, in numbers."""

    learners: int
    recorded: Annotated[int, Field(description="Learners of whom a certificate of the old logic is recorded.")] = 0
    certificates: Annotated[int, Field(description="Learners of whom either logic has one.")]
    agreement: Annotated[
        float | None, Field(description="The part of the certificates on which both agree; null: nothing was compared.")
    ]
    classes: dict[Kind, int]
    going_live: Annotated[dict[Effect, int], Field(description="What going live would do.")]
    revocations: Annotated[int, Field(description="Certificates that the facts don't carry, or that would be held.")]
    withheld: Annotated[
        int, Field(description="Certificates that the old logic withheld, for no reason that the facts contain.")
    ] = 0
    undecided: int
    ready: Annotated[int, Field(description="How many course runs are ready to go live; the report names them.")]
    not_ready: int
    not_compared: Annotated[int, Field(description="How many course runs have nothing to compare.")] = 0


class RunReport(Answer):
    """How a run ended."""

    outcome: RunOutcome
    parts: PartsDone
    problem: str | None
    finished_at: Instant
    cost: Annotated[dict[str, Any], Field(description="Estimated: units and dollars, with the assumptions.")]
    failures: int
    comparison: Annotated[Agreed | None, Field(description="Only of a comparison.")] = None


class BulkRunAnswer(Answer):
    """A bulk run."""

    id: str
    request: RunRequest
    state: Literal[
        "started", "planning", "waiting", "approved", "applying", "interrupted",
        "planned", "done", "incomplete", "failed", "declined", "expired",
    ]  # fmt: skip
    attempt: int
    resumable: bool
    plan: PlanInNumbers | None
    approval: RunApproval | None
    decided_by: str | None
    decided_at: Instants
    expires_at: Instants
    report: RunReport | None


class Progress(Answer):
    """How far a run is."""

    shards: int | None
    shards_planned: int
    parts: int | None
    parts_applied: int


class BulkRunProgress(BulkRunAnswer):
    """A bulk run, and how far it is."""

    progress: Progress


class BulkRuns(Answer):
    """Bulk runs, newest first."""

    regenerations: list[BulkRunAnswer]


class Piece(Answer):
    """A piece of a report, or of a plan as a table."""

    text: str
    next: int | None


class PlanLine(Answer):
    """A planned change: whose, from what, to what, why."""

    line: Annotated[int, Field(description="Its place in the plan, from 0 on.")]
    learner_id: int
    course_run: str
    before: Annotated[str | None, Field(description="The certificate's status; null: no certificate.")]
    after: str | None
    cause: str | None
    at: Instants
    reasons: list[str]
    pending: Annotated[str | None, Field(description="The cause of the revocation that is pending afterwards.")]
    due: Annotated[Instants, Field(description="When it changes without a new entry.")]
    takes_away: Annotated[bool, Field(description="Whether it takes a certificate away, if only for a time.")]
    sentence: str


class PlanPage(Answer):
    """A page of a plan."""

    id: str
    hash: Annotated[str, Field(description="The plan's: approve it with this one.")]
    changes: Annotated[int, Field(description="How many lines the plan has.")]
    lines: list[PlanLine]
    next: Annotated[
        int | None, Field(description="`start` of the next page; null: this is the last. A page may be empty.")
    ]

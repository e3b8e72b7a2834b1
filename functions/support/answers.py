"""The OpenAPI document: what each call needs, answers, and refuses. Loaded only when somebody asks for it."""

from typing import Annotated, Any, Literal

from pydantic import Field

from answer_models import Answer, Instants, PossibleChange, model_of
from certrules.core.explain.explanation import Explanation
from certrules.core.explain.timeline import CaseChanges
from certrules.core.terms import Cause, Rollout, Status
from certrules.support import learners
from certrules.support.acts import Preview
from consumer_answers import MissedOfCase
from models import Instant
from record_answers import CaseRecord, PreviewedPrograms, ProgramsOfMany


class Problem(Answer):
    """A problem: its title, its place, and the way out."""

    type: Literal["about:blank"]
    title: str
    status: int
    field: Annotated[str | None, Field(description="Where it is wrong.")]
    fix: Annotated[str | None, Field(description="The way out.")]


class Refused(Answer):
    """What API Gateway itself answers, before anybody looks at the request."""

    message: str


class Pending(Answer):
    """A revocation that has not taken effect."""

    cause: Cause
    since: Instant
    due: Annotated[Instants, Field(description="null: until a person decides")]


class Certificate(Answer):
    """A certificate."""

    status: Status
    mode: str
    grade: str
    id: str
    issued_at: Instants
    first_issued_at: Instants


class InCourseRun(Answer):
    """A learner's certificate in one course run."""

    course_run: str
    certificate: Certificate | None
    pending: Pending | None


FoundLearner = model_of(learners.FoundLearner)


class FoundLearners(Answer):
    """Whom a username or an e-mail may mean: one learner, or several to choose from."""

    learners: list[FoundLearner]  # type: ignore[valid-type]
    problem: Annotated[str, Field(description="Why the platform could not be asked; empty: it was, or there is none.")]


class CourseRuns(Answer):
    """A learner's course runs."""

    learner_id: int
    known_as: Annotated[
        FoundLearner | None,  # type: ignore[valid-type]
        Field(description="The learner's names, if they are stored or the platform can be asked."),
    ]
    course_runs: list[InCourseRun]


class Owner(Answer):
    """Whose certificate it is."""

    learner_id: int
    course_run: str


class Owners(Owner):
    """Whose certificate it is; of an id that was given twice, the others, too."""

    others: Annotated[list[Owner], Field(description="With the same id, which is an error: an id is given once.")]


class LearnersPage(Answer):
    """A page of a course run's learners."""

    course_run: str
    learners: list[int]
    next: str | None


class ForTheTicket(Answer):
    """What support would otherwise collect by hand."""

    kind: Literal["course certificate"]
    course_run: str
    learner_id: int
    mode: str | None
    enrollment_mode: str | None
    grade: str | None
    url: str | None
    certificate_id: str | None
    generated_at: Instants
    issued_at: Instants
    regenerated_at: Instants
    last_changed_by: str | None
    pacing: Literal["self-paced", "instructor-paced"] | None
    display_behavior: str | None


class Invalidation(Answer):
    """An invalidation, active or lifted."""

    origin: Annotated[str, Field(description="person, or the exam's usage key")]
    at: Instant
    by: str
    notes: str
    lifted_at: Instants
    lifted_by: str


class InvalidationOf(Invalidation):
    """An invalidation, and whose certificate it is about."""

    learner_id: int


class Invalidations(Answer):
    """A course run's invalidations."""

    invalidations: list[InvalidationOf]


class HistoryEntry(Answer):
    """A change that was published, or a revocation that was held."""

    at: Instant
    kind: Literal["transition", "held"]
    previous: Status | None
    status: Status
    cause: Cause
    by: str
    reason: str
    reasons: list[str]
    policy: str
    published_at: Annotated[Instants, Field(description="null: not yet")]
    published_as: list[str]


Case = model_of(
    Explanation,
    "Case",
    text=(str, ...),
    fields=(ForTheTicket, ...),
    invalidations=(list[Invalidation], ...),
    history=(list[HistoryEntry], ...),
    undelivered=(
        Annotated[
            int | None,
            Field(description="Status changes, of anybody, that missed a consumer's queue; null: as of an instant."),
        ],
        ...,
    ),
    missed=(MissedOfCase, ...),
    rollout=(
        Annotated[Rollout, Field(description="Who decides: the old logic, but where it is live.")],
        ...,
    ),
    version=(int, ...),
    record=(
        Annotated[CaseRecord | None, Field(description="null: records are off, or it is as of an instant.")],
        ...,
    ),
)
Changes = model_of(CaseChanges)
_PROGRAMS: Any = (PreviewedPrograms | None, Field(description="null: nothing is lost, or records are off."))
ActPreview = model_of(Preview, programs=_PROGRAMS)
# What was answered before there were programs is answered again for the same key, without them.
_PROGRAMS_THEN: Any = (PreviewedPrograms | None, Field(default=None, description=_PROGRAMS[1].description))
Done = model_of(Preview, "Done", event_id=(str, ...), at=(Instant, ...), programs=_PROGRAMS_THEN)


class Exported(Answer):
    """A case as events."""

    events: list[dict[str, Any]]
    until: Instant
    certificate: Certificate | None
    pending: Pending | None
    otherwise: str
    policy: str
    web_certificates: Literal["on", "off"]


class Amounts(Answer):
    """The outcome of a case."""

    status: Status | None
    reasons: list[str]


class WouldAmount(Amounts):
    """The outcome that a case would have."""

    pending: Pending | None


class Outcome(Answer):
    """The outcome of changes."""

    stored: Literal[False]
    as_of: Annotated[Instant, Field(description="The changes come just after it.")]
    changes: list[PossibleChange]
    before: Amounts
    after: WouldAmount


class Check(Answer):
    """One thing that a course run's configuration has to allow."""

    code: str
    ok: bool
    sentence: str
    fix: str
    about: Literal["learners", "configuration", "revocations"]


class Checklist(Answer):
    """Why a course run can issue no certificates."""

    course_run: str
    ok: Annotated[bool, Field(description="Whether there is nothing to look at.")]
    state: Literal["fine", "look", "blocked", "unknown"]
    headline: Annotated[str, Field(description="The outcome: what concerns most learners first.")]
    checks: list[Check]


class Held(Pending):
    """Whose revocation is pending or held."""

    learner_id: int
    course_run: str
    by: str


class HeldPage(Answer):
    """A page of revocations that are pending or held."""

    held: list[Held]
    next: str | None


class Discarded(Answer):
    """How many certificates stay."""

    discarded: int
    left: Annotated[int, Field(description="How many more are held, for another call.")]


class Switched(Answer):
    """The switch was sent."""

    event_id: str


class RevocationRequest(Answer):
    """The request for a bulk revocation."""

    act: Literal["release", "invalidate"]
    course_run: str
    learners: list[int] | None


class Revocation(Answer):
    """A bulk revocation."""

    id: str
    asked: RevocationRequest
    act: Literal["release", "invalidate"]
    course_run: str
    learners: Annotated[dict[str, Cause], Field(description="Whose certificates, and the cause of each revocation.")]
    line_notes: Annotated[
        dict[str, str],
        Field(default_factory=dict, description="Of a list: what it notes of a learner, beside the reason."),
    ]
    programs: Annotated[
        ProgramsOfMany | None,
        Field(description="What becomes of program certificates, as of the request; null: records are off."),
    ] = None
    left: Annotated[int, Field(description="How many more are held, for another request.")]
    reason: str
    requested_by: str
    requested_at: Instant
    expires_at: Instant
    state: Literal["requested", "approved", "declined", "done", "expired"]
    decided_by: str | None
    decided_at: Instants


class ListedLine(Answer):
    """What becomes of a line of a list."""

    line: Annotated[int, Field(description="Its number, from 1 on.")]
    written: Annotated[str, Field(description="The learner, as it is written there.")]
    learner_id: int | None
    accepted: bool
    sentence: Annotated[str, Field(description="What will happen, or why nothing does.")]
    fix: Annotated[str, Field(description="Of a refused line: what to do about it.")]
    before: Status | None
    after: Status | None


class ListOutcome(Answer):
    """What becomes of a list."""

    act: Literal["allowlist-add", "invalidate", "discard"]
    course_run: str
    accepted: int
    refused: int
    seen: Annotated[str, Field(description="Send it with the act: then only this outcome is done.")]
    lines: list[ListedLine]


class ListPreviewed(ListOutcome):
    """What will become of a list."""

    programs: Annotated[
        ProgramsOfMany | None,
        Field(description="Of invalidations: what becomes of program certificates; null: records are off."),
    ]


class ListDone(ListOutcome):
    """What became of a list: events are sent for what is accepted."""

    revocation: Annotated[
        str | None, Field(description="Of invalidations: the bulk revocation that a second person has to approve.")
    ]


class Revocations(Answer):
    """Bulk revocations, newest first."""

    revocations: list[Revocation]


class RolloutOf(Answer):
    """Who decides in a course run."""

    course_run: str
    rollout: Rollout
    known: Annotated[bool, Field(description="Whether its configuration was received.")]
    at: Annotated[Instants, Field(description="Since when it has this setting; null: it has the deployment's default.")]
    by: str
    reason: str


class Rollouts(Answer):
    """A page of course runs, and who decides in each."""

    course_runs: list[RolloutOf]
    next: str | None


class RolledOut(Answer):
    """The events were sent."""

    rollout: Rollout
    course_runs: int
    at: Instant

"""A bulk run: its request, the changes that it makes, and its files.

The files of a run are under `runs/<id>/` in the bulk bucket. Each is written whole, by one function at a time, so
that what is there is complete, and a run that was interrupted goes on from what is missing:

- `request.json`: the request, with the policy that decides all of it, as it is planned;
- `course-runs/<group>.json`: the course runs, in groups;
- `shards.json`: the shards to plan: an item for each group and shard, <group>-<shard>;
- `plan/<shard>-<number>.json`: parts of the plan, PART changes each;
- `shards/<shard>.json`: the plan of a shard; written last, it names its parts with their SHA-256, and has the changes
  that fill no part;
- `compared/<shard>.json` and `differences/<shard>-<number>.json`: of a comparison, counts, and who differs;
- `comparison.json`: the comparison of all shards;
- `plan/rest-<number>.json`: parts of the plan with the changes that fill no part of their shard;
- `parts.json` and `plan.json`: all parts, and the plan as it is approved, sealed by its hash (see `seal`);
- `apply.json`: the parts that are to be applied, with the proof that they are parts of that plan;
- `results/<part>.json`: what became of each change of a part;
- `failures/...`: why a shard or a part could not be done, should it fail wholly;
- `report.json`, `report.csv`, `report.html`.
"""

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from functools import cache
from hashlib import sha256
from threading import Lock
from typing import Any, Literal

import msgspec

from certrules import aws, settings
from certrules.core.certificate import Pending
from certrules.core.deciding import DecidedRecord
from certrules.core.guard import PublishedCertificate
from certrules.core.policy import Policies
from certrules.core.terms import Cause, Rollout, Status
from certrules.formats.stored import as_time, certificate_as_json
from certrules.storage import Loaded, Pair, StoredRecord

PART = 500
"""How many changes a part of a plan has at most: at the slowest rate, one a second, a call has time for them."""

MOST_NAMED = 1_000
"""How many course runs one may name; `all` has no limit. An execution's input is at most 256 KB."""

MOST_LEARNERS = 10_000
"""How many learners one may name."""

MOST_LISTED = 1_000
"""How many rows of a kind a report shows; the CSV has all of them."""

REST = "rest"
"""How the names of parts begin that have changes of several shards."""

NO_CERTIFICATE = "none"
"""What stands for the status of no certificate."""


NO_TRANSITION = "no transition"
"""In place of the cause of a change that moves only a date or a due time."""


class BulkRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The request for a bulk run."""

    id: str
    course_runs: list[str] | Literal["all"]
    by: str
    reason: str
    at: datetime  # UTC: as of when everything is decided
    statuses: list[str] | None = None  # only certificates that have one of these, or `none`, are looked at
    learners: list[int] | None = None  # only theirs
    dry_run: bool = False
    purpose: Literal["regenerate", "compare"] = "regenerate"
    as_if: Rollout | None = None  # as if the course runs had this rollout; nothing is applied
    concurrency: int = 20  # how many shards, and parts, are worked on at once
    approval_seconds: int = 86_400  # how long the plan waits to be approved
    records_per_second: int | None = None  # how fast parts are applied, all together
    terms: settings.PolicyParameters | None = None  # the policy that was in force when the run began

    @property
    def applies(self) -> bool:
        """Whether anything is to be changed."""
        return self.purpose == "regenerate" and not self.dry_run and self.as_if is None

    @property
    def rollout(self) -> Rollout | None:
        """The rollout as if which the run decides; None: the actual one."""
        return self.as_if or (Rollout.LIVE if self.purpose == "compare" else None)

    def policies(self) -> Policies:
        """Return the policies by which the run decides. Raises PolicyError."""
        return settings.policies(self.terms)


class Step(msgspec.Struct, frozen=True, array_like=True):
    """A transition that is to be published."""

    at: str
    previous: str | None
    status: str
    cause: str


class End(msgspec.Struct, frozen=True, kw_only=True):
    """The stored state of a certificate after a change."""

    certificate: dict[str, Any] | None
    pending: tuple[str, str, str | None] | None  # cause, since, due
    due: str | None  # when it changes without a new entry


class PlannedChange(msgspec.Struct, frozen=True, kw_only=True, rename={"before": "from", "after": "to"}):
    """The change that saving a record would make: to the certificate, its publication, or what is pending or due."""

    learner_id: int
    course_run: str
    versions: tuple[int, int, int]  # of the record, the ID verification and the course run that were decided on
    before: str | None
    after: str | None
    cause: str | None
    at: str | None
    reasons: tuple[str, ...]
    steps: tuple[Step, ...]
    end: End

    @property
    def pair(self) -> Pair:
        """Whose certificate it is."""
        return Pair(self.learner_id, self.course_run)

    @property
    def revokes(self) -> bool:
        """Whether it takes a certificate away, if only for a time."""
        return any(step.previous == Status.DOWNLOADABLE for step in self.steps)

    def completes(self, planned: "PlannedChange") -> bool:
        """Whether this is the rest of a planned change: it has the same end, and no step that isn't planned."""
        done = len(planned.steps) - len(self.steps)
        return self.end == planned.end and done >= 0 and planned.steps[done:] == self.steps


class PartName(msgspec.Struct, frozen=True, array_like=True):
    """A part of the plan."""

    name: str
    sha256: str
    changes: int

    @property
    def shard(self) -> int | None:
        """In which shard of their course runs the part's learners are; None: in any."""
        group, number, *_ = self.name.split("-")
        return None if group == REST else int(number)


class Failed(msgspec.Struct, frozen=True):
    """A record that could not be decided, or a part or shard without a result."""

    what: str
    error: str
    learner_id: int | None = None
    course_run: str | None = None


def transition_of(change: PlannedChange) -> str:
    """Return from which status to which a change leads, as plans count it."""
    return f"{change.before or NO_CERTIFICATE} > {change.after or NO_CERTIFICATE}"


type Tally = dict[str, int]


def tally(counts: Tally, *names: str, by: int = 1) -> None:
    """Count each of these names."""
    for name in names:
        counts[name] = counts.get(name, 0) + by


class PlanCounts(msgspec.Struct):
    """The changes in numbers."""

    changes: int = 0
    revocations: int = 0
    by_status: Tally = msgspec.field(default_factory=dict)  # "from > to"
    by_cause: Tally = msgspec.field(default_factory=dict)
    by_reason: Tally = msgspec.field(default_factory=dict)
    by_course_run: Tally = msgspec.field(default_factory=dict)

    def take(self, change: PlannedChange) -> None:
        """Count a change."""
        self.changes += 1
        self.revocations += change.revokes
        tally(self.by_status, transition_of(change))
        tally(self.by_cause, change.cause or NO_TRANSITION)
        tally(self.by_reason, *change.reasons)
        tally(self.by_course_run, change.course_run)

    def add(self, other: "PlanCounts") -> None:
        """Count all that another has counted."""
        self.changes += other.changes
        self.revocations += other.revocations
        for name in ("by_status", "by_cause", "by_reason", "by_course_run"):
            for key, count in getattr(other, name).items():
                tally(getattr(self, name), key, by=count)


class PlannedShard(msgspec.Struct, kw_only=True):
    """The plan of a shard."""

    shard: str
    records: int
    seconds: float
    requests: Tally
    parts: list[PartName]
    rest: list[PlannedChange] = msgspec.field(default_factory=list)  # that fill no part; a release before had none
    counts: PlanCounts
    failed: list[Failed]
    differing: int = 0  # parts that list whom a comparison found to differ


class Approvers(StrEnum):
    """Who has to approve a plan."""

    NOBODY = "nobody"
    A_PERSON = "a person"
    SOMEBODY_ELSE = "somebody else than who asked"


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """A sealed plan. Its hash is approved."""

    hash: str
    approvers: Approvers
    parts: int
    shards: int
    records: int
    seconds: float  # of planning, added up over the shards
    requests: Tally
    counts: PlanCounts
    failed: list[Failed]
    course_runs_changed: int


type ChangeOutcome = Literal["already", "changed_since", "failed"]


class ChangeResult(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What became of a planned change that was not simply applied."""

    learner_id: int
    course_run: str
    outcome: ChangeOutcome
    error: str = ""
    now: PlannedChange | None = None  # what deciding again would change now, where that isn't the plan


class AppliedPart(msgspec.Struct, kw_only=True):
    """The result of a part."""

    part: str
    changes: int
    applied: int
    published: int = msgspec.field(name="told")  # of these, with history: a transaction
    causes: Tally = msgspec.field(default_factory=dict)  # of the transitions that were published
    seconds: float
    rows: list[ChangeResult]
    error: str = ""  # why nothing of it was applied

    @property
    def complete(self) -> bool:
        """Whether nothing is left to do."""
        return not self.error and all(row.outcome != "failed" for row in self.rows)


class PlanApproval(msgspec.Struct, frozen=True):
    """That somebody approved a plan."""

    hash: str
    by: str
    at: str


def folder_of(bucket: str, run_id: str) -> aws.Folder:
    """Return where the files of a run are."""
    return aws.Folder(bucket, f"runs/{run_id}")


def read[T](folder: aws.Folder, name: str, kind: type[T]) -> T | None:
    """Return the content of a file of a run, None if there is no such file."""
    content = folder.read(name)
    if content is None:
        return None
    known: Any = kind
    with _decoding:
        decoder = _decoder(known)
    found: T = decoder.decode(content)
    return found


_decoding = Lock()
"""msgspec gets to know a type but once, and crashes if two threads have it do so at the same time."""


@cache
def _decoder(kind: Any) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(kind)


def digest_of(content: bytes) -> str:
    """Return the SHA-256 of a file."""
    return sha256(content).hexdigest()


def write_part(folder: aws.Folder, name: str, changes: Sequence[PlannedChange]) -> PartName:
    """Write a part of the plan."""
    return PartName(name, digest_of(folder.write_json(f"plan/{name}.json", changes)), len(changes))


def error_of(error: BaseException) -> str:
    """Return an error in a line."""
    return f"{type(error).__name__}: {error}"[:500]


def change_of(pair: Pair, loaded: Loaded, decided: DecidedRecord) -> PlannedChange | None:
    """Return what saving a record that was decided again would alter, None if nothing."""
    stored = loaded.records[pair]
    published, new_transitions, _ = decided.publication
    due = decided.next_change_at
    if not new_transitions and _state(published, due) == _state(stored.published, stored.next_change_at):
        return None
    last = new_transitions[-1] if new_transitions else None
    status = None if published.certificate is None else published.certificate.status
    before = new_transitions[0].previous if new_transitions else status
    return PlannedChange(
        learner_id=pair.learner_id,
        course_run=pair.course_run,
        versions=(
            stored.version,
            loaded.verifications[pair.learner_id].version,
            loaded.course_runs[pair.course_run].version,
        ),
        before=before,
        after=status,
        cause=_cause(last.cause if last else None, published.pending, decided.before.pending),
        at=as_time(last.at) if last else None,
        reasons=() if status is Status.DOWNLOADABLE else tuple(sorted(decided.outcome.decision.unmet)),
        steps=tuple(Step(str(as_time(item.at)), item.previous, item.status, item.cause) for item in new_transitions),
        end=_end(published, due),
    )


def end_of(stored: StoredRecord) -> End:
    """Return the stored state of a certificate."""
    return _end(stored.published, stored.next_change_at)


def _end(published: PublishedCertificate, due: datetime | None) -> End:
    certificate = published.certificate
    return End(
        certificate=None if certificate is None else certificate_as_json(certificate),
        pending=_pending(published.pending),
        due=as_time(due),
    )


def _state(published: PublishedCertificate, due: datetime | None) -> tuple[object, ...]:
    """Return what an End states, as it can be compared at once: nearly all records of a plan don't change."""
    return published.certificate, published.pending and published.pending[:3], due


def _cause(transition: Cause | None, pending: Pending | None, before: Pending | None) -> Cause | None:
    """Return the cause of the last transition, or of what becomes pending."""
    if transition is None and pending is not None and pending != before:
        return pending.cause
    return transition


def _pending(pending: Pending | None) -> tuple[str, str, str | None] | None:
    return None if pending is None else (pending.cause, str(as_time(pending.since)), as_time(pending.due))

"""Importing: the parts of an import are ingested, many learners at once, by the same way as events."""

import gzip
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from itertools import batched
from typing import Any, NamedTuple

import msgspec

from certrules import aws, decide_again, settings, storage
from certrules.core.fact_types import Fact
from certrules.core.policy import Policies
from certrules.core.rollout import rollout_state
from certrules.core.terms import Rollout
from certrules.formats.messages import Message
from certrules.formats.table_rows import Observation, TableRow, decode_row, encode_row
from certrules.ingestion import BatchResult, ingest_messages
from certrules.storage import BATCH_GET_KEYS, Pair

IMPORTED = "certificates.imported"
"""In place of an event's type."""

ACCEPTED = "accepted.json"
"""The live course runs into which a person accepted to import."""

IMPORTER = "system:import"
"""Who sets the rollout of course runs that nobody else has named yet."""

FIRST_NAMED = "an import was the first to name the course run"
"""Why."""


@dataclass(slots=True)
class PartResult:
    """The result of a part. The field names are those of its JSON."""

    rows: int = 0
    saved: int = 0  # records, ID verifications and configurations that were written
    unchanged: int = 0  # those that were not written, since nothing was new
    statuses: Counter[str] = field(default_factory=Counter)  # of the certificates of all records
    causes: Counter[str] = field(default_factory=Counter)  # of the transitions
    kept: int = 0  # certificates that the facts do not carry: retained, and held for a person
    stopped: int = 0  # automatic revocations that were held
    tripped: int = 0  # breakers that tripped
    learners: list[int] = field(default_factory=list)  # whose ID verification is new
    course_runs: list[str] = field(default_factory=list)  # that are new, or whose deciding settings changed
    refused: list[dict[str, Any]] = field(default_factory=list)  # can't be ingested
    failed: list[dict[str, Any]] = field(default_factory=list)  # a retry can help

    def as_json(self) -> dict[str, Any]:
        """Return the result in the form of its file."""
        return {name: getattr(self, name) for name in self.__slots__}


# --- a part, and its files


class NotAcceptedError(Exception):
    """A part names course runs that are live, and nobody accepted what that publishes. A retry can't help."""


def import_part(folder: aws.Folder, part: str, policies: Policies, at: str) -> PartResult | None:
    """Ingest a part as of `at`, and write its result; None if that was done before, without a failure.

    Raises NotAcceptedError if a course run is live and is not named in ACCEPTED.
    """
    result_name = f"results/{part}.json"
    before = folder.read(result_name)
    if before is not None and not msgspec.json.decode(before)["failed"]:
        return None
    was_begun = folder.read(f"begun/{part}") is not None
    folder.write_json(f"begun/{part}", True)
    accepted = frozenset[str](msgspec.json.decode(folder.read(ACCEPTED) or b"[]"))
    rows = list(_with_rollout(rows_of(folder, part), accepted, datetime.fromisoformat(at)))
    result = import_rows(rows, policies, datetime.fromisoformat(at))
    if was_begun:  # an earlier run may have changed any of them before it ended
        result.learners = [row.learner_id for row in rows if row.learner_id and not row.course_run and row.observations]
        result.course_runs = [row.course_run for row in rows if row.course_run is not None and row.learner_id is None]
    folder.write_json(result_name, result.as_json())
    if not result.failed and any(row.name for row in rows):
        _forget_names(folder, part, rows)
    return result


def _forget_names(folder: aws.Folder, part: str, rows: Iterable[TableRow]) -> None:
    """Write a part again without the names that are stored by now: a file is no place to look for an erased one."""
    lines = (encode_row(row._replace(name=None)) for row in rows)
    folder.write(part, gzip.compress(b"\n".join(lines), mtime=0), "application/gzip")


def rows_of(folder: aws.Folder, part: str) -> list[TableRow]:
    """Return the rows of a part. Raises FileNotFoundError."""
    body = folder.read(part)
    if body is None:
        raise FileNotFoundError(folder.key(part))
    return [decode_row(line) for line in gzip.decompress(body).splitlines()]


def _with_rollout(rows: Iterable[TableRow], accepted: frozenset[str], as_of: datetime) -> Iterator[TableRow]:
    """Yield the rows; course runs whose configuration was never received begin in `shadow`, as of `as_of` (UTC).

    Raises NotAcceptedError.
    """
    shadow = Observation(
        as_of, as_of, Fact.COURSE_RUN, Rollout.SHADOW.value, "import", "rollout", IMPORTER, FIRST_NAMED
    )
    default = settings.default_rollout()
    for batch in batched(rows, BATCH_GET_KEYS, strict=False):
        names = [row.course_run for row in batch if row.learner_id is None and row.course_run is not None]
        known = storage.load(course_runs=names).course_runs if names else {}
        for name, stored in known.items():
            if stored.timeline and name not in accepted and rollout_state(stored.timeline, default).is_live:
                raise NotAcceptedError(f"{name} is live: import again, and accept what that publishes")
        for row in batch:
            is_new = row.learner_id is None and row.course_run is not None and not known[row.course_run].timeline
            yield row._replace(observations=(*row.observations, shadow)) if is_new else row


class SecondLook(NamedTuple):
    """The result of the second look at a part."""

    failed: int  # rows that were not imported
    requested: int  # records that are decided again
    sent: int  # messages


def look_again(folder: aws.Folder, part: str, at: str, ingest_queue: str, redecide_queue: str) -> SecondLook:
    """Request, once, the records that were decided without the facts of a part. Raises SendError.

    These are records that the part does not name: of a learner whose ID verification is new, and of a course run that
    is new. Records that another run was creating meanwhile are saved by now, so they are found.
    """
    result = msgspec.json.decode(folder.read(f"results/{part}.json") or b"null")
    failed = 1 if result is None else len(result["failed"])
    if result is None or folder.read(f"looked/{part}") is not None:
        return SecondLook(failed, 0, 0)
    pairs = list(outdated_records(result["learners"]))
    aws.send(ingest_queue, decide_again.requests_for(pairs, "import", datetime.fromisoformat(at)))
    course_runs = [decide_again.course_run_body(course_run, at) for course_run in result["course_runs"]]
    aws.send(redecide_queue, [{"MessageBody": body} for body in course_runs])
    if not failed:
        folder.write_json(f"looked/{part}", True)
    return SecondLook(failed, len(pairs), len(pairs) + len(course_runs))


def outdated_records(learners: Iterable[int]) -> Iterator[Pair]:
    """Yield the records of learners that were decided with an older ID verification."""
    for learner_id in learners:
        for course_run in storage.outdated_course_runs_of(learner_id):
            yield Pair(learner_id, course_run)


# --- its rows


def import_rows(rows: Iterable[TableRow], policies: Policies, as_of: datetime) -> PartResult:
    """Ingest rows as of when the import began (UTC): each record is decided once and written once.

    The same rows again change nothing. A row that fails is named; the others go on.
    """
    result = PartResult()
    for batch in _batches(rows):
        messages = [
            Message(
                "",
                IMPORTED,
                row.named_at,
                row.learner_id,
                row.course_run,
                name=row.name if settings.stores_names() else None,
                sent_at=as_of,
                observations=row.observations,
            )
            for row in batch
        ]
        _add(result, batch, ingest_messages(messages, policies))
    return result


def _batches(rows: Iterable[TableRow]) -> Iterator[list[TableRow]]:
    """Yield as many rows as one request reads, with the ID verifications and configurations that they need."""
    batch: list[TableRow] = []
    keys: set[object] = set()
    for row in rows:
        needed: set[object] = {row.learner_id, row.course_run, row[:2]}
        if len(keys | needed) > BATCH_GET_KEYS:
            yield batch
            batch, keys = [], set()
        batch.append(row)
        keys |= needed
    if batch:
        yield batch


def _add(result: PartResult, batch: list[TableRow], ingested: BatchResult) -> None:
    result.rows += len(batch)
    result.saved += len(ingested.changed) + len(ingested.shared)
    done = len(batch) - len(ingested.failed) - len(ingested.refused)
    result.unchanged += done - len({pair for pair, _ in ingested.changed}) - len(ingested.shared)
    certificates = ingested.decided.values()
    result.statuses.update("no certificate" if item is None else str(item.status) for item in certificates)
    publications = [publication for _, publication in ingested.changed]
    result.causes.update(item.cause for publication in publications for item in publication.new_transitions)
    result.kept += sum(publication.retained for publication in publications)
    result.stopped += ingested.stopped.total()
    result.tripped += ingested.tripped
    result.learners += sorted(owner for owner in ingested.shared if isinstance(owner, int))
    result.course_runs += sorted(ingested.course_runs)
    result.refused += [
        {**_named(batch[position]), **refusal.as_json()} for position, refusal in sorted(ingested.refused.items())
    ]
    result.failed += [
        {**_named(batch[position]), "error": f"{type(error).__name__}: {error}"}
        for position, error in sorted(ingested.failed.items(), key=lambda item: item[0])
    ]


def _named(row: TableRow) -> dict[str, Any]:
    return {"learner_id": row.learner_id, "course_run": row.course_run}

"""Parts of an import, taken in: the rows of many learners at once, by the one way that events go, too."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from itertools import batched
from typing import Any

from certrules import storage
from certrules.core.instants import BEGINNING
from certrules.core.policy import Policies
from certrules.formats.messages import Message
from certrules.formats.table_rows import TableRow
from certrules.ingestion import BatchResult, ingest_messages
from certrules.storage.tables import Pair

KEYS = 100
"""How many items DynamoDB reads in a request."""

IMPORTED = "certificates.imported"
"""In the place of an event's type."""


@dataclass(slots=True)
class PartResult:
    """What became of a part."""

    rows: int = 0
    saved: int = 0  # records, ID verifications and course runs that were written
    unchanged: int = 0  # ... and that were not, for everything was known
    statuses: Counter[str] = field(default_factory=Counter)  # of the certificates of all records
    causes: Counter[str] = field(default_factory=Counter)  # of the transitions
    kept: int = 0  # certificates that the facts no longer carry, held for a person
    stopped: int = 0  # automatic revocations that were held
    tripped: int = 0  # breakers that began to hold them
    learners: list[int] = field(default_factory=list)  # whose ID verification is new
    course_runs: list[str] = field(default_factory=list)  # that are new, or decide otherwise now
    refused: list[dict[str, Any]] = field(default_factory=list)  # can't be taken in
    failed: list[dict[str, Any]] = field(default_factory=list)  # a retry can help

    def as_json(self) -> dict[str, Any]:
        """Return the result of a part as it is stored."""
        return {name: getattr(self, name) for name in self.__slots__}


def import_rows(rows: Iterable[TableRow], policies: Policies, as_of: datetime) -> PartResult:
    """Take in the rows of a part, as of when the import began (UTC): each record is decided once and written once.

    Again it changes nothing. What failed is named; the rest goes on.
    """
    result = PartResult()
    for batch in _batches(rows):
        messages = [
            Message(
                "", IMPORTED, BEGINNING, row.learner_id, row.course_run, sent_at=as_of, observations=row.observations
            )
            for row in batch
        ]
        _note(result, batch, ingest_messages(messages, policies))
    return result


def _batches(rows: Iterable[TableRow]) -> Iterator[list[TableRow]]:
    """Yield as many rows at a time as are read in one request, with the ID verifications and course runs they need."""
    batch: list[TableRow] = []
    keys: set[object] = set()
    for row in rows:
        wanted: set[object] = {row.learner_id, row.course_run, row[:2]}
        if len(keys | wanted) > KEYS:
            yield batch
            batch, keys = [], set()
        batch.append(row)
        keys |= wanted
    if batch:
        yield batch


def _note(result: PartResult, batch: list[TableRow], taken: BatchResult) -> None:
    result.rows += len(batch)
    result.saved += len(taken.changed) + len(taken.shared)
    done = len(batch) - len(taken.failed) - len(taken.refused)
    result.unchanged += done - len({pair for pair, _ in taken.changed}) - len(taken.shared)
    result.statuses.update(
        "no certificate" if certificate is None else str(certificate.status) for certificate in taken.decided.values()
    )
    result.causes.update(
        transition.cause for _, publication in taken.changed for transition in publication.new_transitions
    )
    result.kept += sum(publication.retained for _, publication in taken.changed)
    result.stopped += taken.stopped.total()
    result.tripped += taken.tripped
    result.learners += sorted(name for name in taken.shared if isinstance(name, int))
    result.course_runs += sorted(taken.course_runs)
    result.refused += [
        {**_named(batch[position]), **refusal.as_json()} for position, refusal in sorted(taken.refused.items())
    ]
    result.failed += [
        {**_named(batch[position]), "error": f"{type(error).__name__}: {error}"}
        for position, error in sorted(taken.failed.items(), key=lambda item: item[0])
    ]


def _named(row: TableRow) -> dict[str, Any]:
    return {"learner_id": row.learner_id, "course_run": row.course_run}


def outdated_records(learners: Iterable[int]) -> Iterator[Pair]:
    """Yield the records of learners that were not decided with their ID verification as it is."""
    for batch in batched(learners, KEYS, strict=False):
        verifications = storage.load(learners=batch).verifications
        for learner_id in batch:
            for course_run, stored in storage.records_of(learner_id).items():
                if stored.based_on[0] != verifications[learner_id].version:
                    yield Pair(learner_id, course_run)

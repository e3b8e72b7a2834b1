"""Applying a part of an approved plan: exactly the changes that it lists, each record decided again before it is saved.

What no longer is as planned is not written; it is reported, with what deciding again would change now.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import batched
from time import monotonic, sleep
from typing import Any

import msgspec

from certrules import aws, settings, storage
from certrules.aws import each
from certrules.bulk.planning import AWS_FAULTS
from certrules.bulk.runs import (
    AppliedPart,
    BulkRequest,
    ChangeOutcome,
    ChangeResult,
    Failed,
    PartName,
    PlannedChange,
    Tally,
    change_of,
    digest_of,
    end_of,
    error_of,
    folder_of,
    tally,
)
from certrules.bulk.seal import ListedPart, readable, refuse_foreign, request_of, seal_of
from certrules.core.certificate import Transition
from certrules.core.deciding import decide_record
from certrules.core.terms import AUTOMATIC, Actor, Status, is_person
from certrules.ingestion import ATTEMPTS, write_of
from certrules.storage import BATCH_GET_KEYS, Loaded, LostRaceError, RecordWrite

_AT_ONCE = BATCH_GET_KEYS // 3
"""How many records are read in one request, each with its ID verification and its configuration."""


def apply_part(bucket: str, run: Mapping[str, Any], listed: Mapping[str, Any]) -> AppliedPart:
    """Apply a part, or the rest of it, and write the outcome of each change to its result.

    `run` is the execution's own, with the request and the seal; `listed` is from a file, so its part has to be proved.
    Raises PlanError if it is no part of the sealed plan.
    """
    folder, item = folder_of(bucket, run["id"]), msgspec.convert(listed, ListedPart)
    part = item.part
    try:
        refuse_foreign(seal_of(run), item)
        approval = run.get("approval")
        at_once = min(run["parts"]["concurrency"], run["parts"]["parts"])
        result = _Part(folder, request_of(run), part, approval["by"] if approval else "", at_once).apply()
    except Exception as error:
        folder.write_json(f"failures/parts/{part.name}.json", Failed(part.name, error_of(error)))
        raise
    folder.write_json(f"results/{part.name}.json", result)
    return result


def _failure_of(write: RecordWrite) -> Exception | None:
    """Save a record without history. Returns why that failed, None if it was saved."""
    try:
        storage.save_record(write)
    except Exception as error:  # noqa: BLE001 - one record's failure is no other's
        return error
    return None


class _Part:
    """A part of a plan that is being applied."""

    def __init__(
        self, folder: aws.Folder, request: BulkRequest, part: PartName, approved_by: str, at_once: int
    ) -> None:
        self._folder = folder
        self._request = request
        self._part = part.name
        self._sha256 = part.sha256
        self._at_once = at_once  # how many parts are applied beside each other
        self._policies = request.policies()
        self._approver = Actor(approved_by, f"{request.reason} (bulk run {request.id}, asked for by {request.by})")

    def apply(self) -> AppliedPart:
        """Apply the changes that are left; of those that were applied before, the result stays."""
        started = monotonic()
        content = self._folder.read(f"plan/{self._part}.json")
        if content is None or digest_of(content) != self._sha256:
            error = "its file is not what was approved: start a new run for what it would have changed"
            return AppliedPart(part=self._part, changes=0, applied=0, published=0, seconds=0, rows=[], error=error)
        changes = msgspec.json.decode(content, type=list[PlannedChange])
        before = readable(self._folder, f"results/{self._part}.json", AppliedPart)
        rows: list[ChangeResult] = []
        todo = changes
        applied = published = 0
        causes: Tally = {}
        if before is not None and not before.error:
            failed = {(row.learner_id, row.course_run) for row in before.rows if row.outcome == "failed"}
            todo = [change for change in changes if change.pair in failed]
            rows = [row for row in before.rows if row.outcome != "failed"]
            applied, published = before.applied, before.published
        for some in batched(todo, _AT_ONCE, strict=False):
            began = monotonic()
            for change, row in self._apply(some):
                if row is None:
                    applied += 1
                    published += bool(change.steps)
                    tally(causes, *(step.cause for step in change.steps))
                else:
                    rows.append(row)
            sleep(max(0.0, began + self._span(len(some)) - monotonic()))
        return AppliedPart(
            part=self._part,
            changes=len(changes),
            applied=applied,
            published=published,
            causes=causes,
            seconds=round(monotonic() - started, 3),
            rows=rows,
        )

    def _span(self, records: int) -> float:
        """Return the seconds that so many records have to take, so that all parts together stay at the rate."""
        rate = self._request.records_per_second
        return 0.0 if rate is None else records * self._at_once / rate

    def _apply(self, changes: Sequence[PlannedChange]) -> Iterator[tuple[PlannedChange, ChangeResult | None]]:
        """Apply some changes; yield the outcome of each, None if it was applied."""
        for _ in range(ATTEMPTS):
            lost: list[PlannedChange] = []
            for group, loaded in self._loaded(changes):
                for change, outcome in self._saved(group, loaded):
                    if isinstance(outcome, LostRaceError):
                        lost.append(change)
                    elif isinstance(outcome, Exception):
                        yield change, self._failed(change, outcome)
                    else:
                        yield change, outcome
            changes = lost
        for change in changes:
            yield change, self._failed(change, LostRaceError(f"lost {ATTEMPTS} races for the record"))

    def _loaded(self, changes: Sequence[PlannedChange]) -> Iterator[tuple[Sequence[PlannedChange], Loaded | Exception]]:
        """Read the records, one by one if one of them can't be read."""
        if not changes:
            return
        try:
            yield changes, storage.load([change.pair for change in changes])
        except AWS_FAULTS:
            raise
        except Exception as error:  # noqa: BLE001 - one record's failure is no other's
            if len(changes) == 1:
                yield changes, error
            else:
                for change in changes:
                    yield from self._loaded([change])

    def _saved(
        self, changes: Sequence[PlannedChange], loaded: Loaded | Exception
    ) -> Iterator[tuple[PlannedChange, ChangeResult | Exception | None]]:
        """Decide records and save together those that come out as planned. Yields the outcome of each."""
        if isinstance(loaded, Exception):
            yield from ((change, loaded) for change in changes)
            return
        together: list[tuple[PlannedChange, RecordWrite, bool]] = []
        alone: list[tuple[PlannedChange, RecordWrite]] = []  # without history: a transaction would cost twice as much
        for change in changes:
            try:
                found = self._decided(change, loaded)
                if isinstance(found, ChangeResult):
                    yield change, found
                elif found[0].history:
                    together.append((change, *found))
                else:
                    alone.append((change, found[0]))
            except Exception as error:  # noqa: BLE001 - one record's failure is no other's
                yield change, error
        yield from zip([change for change, _ in alone], each(_failure_of, [write for _, write in alone]), strict=True)
        failures = storage.save_records([write for _, write, _ in together])
        for (change, _, is_whole), failure in zip(together, failures, strict=True):
            unfinished = None if is_whole else LostRaceError("the next attempt saves the next part")
            yield change, failure or unfinished

    def _decided(self, planned: PlannedChange, loaded: Loaded) -> ChangeResult | tuple[RecordWrite, bool]:
        """Decide a record. Returns what is to be saved, and whether that is all of it; or why nothing is."""
        pair = planned.pair
        known = loaded.known(pair, self._policies, settings.default_rollout())
        decided = decide_record(known, (), self._request.at)
        now = change_of(pair, loaded, decided)
        if now is None and end_of(loaded.records[pair]) == planned.end:
            return self._row(planned, "already")
        if now is None or not now.completes(planned):
            return self._row(planned, "changed_since", now)
        signed = tuple(map(self._signed, decided.publication.new_transitions))
        decided = decided._replace(publication=decided.publication._replace(new_transitions=signed))
        write, publication = write_of(loaded.records[pair], decided)
        return write, publication is decided.publication

    def _signed(self, transition: Transition) -> Transition:
        """Make the approver the actor of an automatic revocation."""
        takes_away = transition.previous is Status.DOWNLOADABLE and transition.cause in AUTOMATIC
        if takes_away and is_person(self._approver.by) and not is_person(transition.actor.by):
            return transition._replace(actor=self._approver)
        return transition

    def _failed(self, change: PlannedChange, error: Exception) -> ChangeResult:
        return msgspec.structs.replace(self._row(change, "failed"), error=error_of(error))

    def _row(self, change: PlannedChange, outcome: ChangeOutcome, now: PlannedChange | None = None) -> ChangeResult:
        return ChangeResult(learner_id=change.learner_id, course_run=change.course_run, outcome=outcome, now=now)

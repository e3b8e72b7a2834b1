"""`certs import`: part files go into the stack's bucket, and its state machine imports them; the result is reported.

The stack may be deployed, or the local cloud that runs here: the same requests, to another endpoint.
"""

import json
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

from certrules.importing import ACCEPTED
from certs import stacks
from certs.imports.parts import COURSE_RUNS, Reading
from certs.imports.preview import ImportPreview
from certs.stacks import NoStackError

AT_ONCE = 40
"""How many parts are imported at the same time."""

_REQUESTS_AT_ONCE = 8
_OF_READING = ("rows", "rejected", "facts", "waits_for", "unknown", "warnings", "shared_ids")


@dataclass(frozen=True, slots=True)
class ImportTarget:
    """Where an import goes."""

    s3: Any
    steps: Any  # Step Functions
    bucket: str
    machine: str  # ARN
    stores_names: bool = False  # whether the stack's LearnerNames is on


@dataclass(slots=True)
class ImportReport:
    """What came of an import."""

    name: str = ""
    rows: dict[str, int] = field(default_factory=dict)  # by table
    rejected: dict[str, int] = field(default_factory=dict)  # by table
    facts: dict[str, int] = field(default_factory=dict)  # by fact
    waits_for: list[dict[str, Any]] = field(default_factory=list)  # company of rejected rows, see company.py
    unknown: list[dict[str, Any]] = field(default_factory=list)  # rejected rows that stop the import
    warnings: list[dict[str, Any]] = field(default_factory=list)  # fields that were left out, by table and field
    shared_ids: list[dict[str, Any]] = field(default_factory=list)  # ids that several certificates have
    parts: int = 0
    records: int = 0  # learners, learners in course runs, and course runs
    saved: int = 0
    unchanged: int = 0
    statuses: Counter[str] = field(default_factory=Counter)
    refused: list[dict[str, Any]] = field(default_factory=list)
    failed: list[dict[str, Any]] = field(default_factory=list)  # records that could not be saved
    missing: list[str] = field(default_factory=list)  # parts that were not imported
    error: str = ""  # why the state machine gave up, if it did
    seconds: float = 0

    @classmethod
    def of(cls, reading: Reading) -> "ImportReport":
        """Return what was read, before anything is imported."""
        parts, records = len(reading.parts), sum(reading.parts.values())
        unknown = [row._asdict() for row in reading.unknown]
        rows, rejected, facts = dict(reading.rows), dict(reading.rejected), dict(reading.facts)
        more = reading.warned(), reading.shared_ids, parts, records
        return cls("", rows, rejected, facts, reading.waits_for, unknown, *more)

    @property
    def is_whole(self) -> bool:
        """Whether every part was imported."""
        return not (self.failed or self.missing or self.error)

    def as_json(self) -> dict[str, Any]:
        """Return it for scripts (`--json`)."""
        return {**asdict(self), "statuses": dict(self.statuses.most_common()), "seconds": round(self.seconds, 1)}


def stack_of(name: str | None) -> ImportTarget:
    """Return where an import goes: to a deployed stack of this name, else to the local cloud. Raises NoStackError."""
    aws = stacks.aws(name)
    if not {"BulkBucketName", "ImportMachineArn"} <= aws.outputs.keys():
        raise NoStackError(f"stack {aws.name!r} has no ImportMachineArn: it is none of ours, or an older version")
    return ImportTarget(
        aws.client("s3"),
        aws.client("stepfunctions"),
        aws.outputs["BulkBucketName"],
        aws.outputs["ImportMachineArn"],
        aws.outputs.get("LearnerNames") == "on",
    )


class Import:
    """One import into a stack; it can be resumed by its name."""

    def __init__(self, stack: ImportTarget, name: str) -> None:
        self._stack = stack
        self.name = name
        self._folder = f"runs/{name}"

    @classmethod
    def upload(
        cls, stack: ImportTarget, reading: Reading, folder: Path, now: datetime, on_progress: Callable[[int], object]
    ) -> "Import":
        """Put the part files of a folder into the stack's bucket; `on_progress` is called for each."""
        made = cls(stack, f"import-{now:%Y%m%dT%H%M%S}-{uuid4().hex[:6]}")

        def put(part: str) -> None:
            stack.s3.upload_file(str(folder / part), stack.bucket, f"{made._folder}/{part}")
            on_progress(1)

        with ThreadPoolExecutor(_REQUESTS_AT_ONCE) as pool:
            list(pool.map(put, reading.parts))
        learners = [part for part in reading.parts if part != COURSE_RUNS]
        made._write("manifest.json", learners)
        read = asdict(ImportReport.of(reading))
        about = {name: read[name] for name in _OF_READING}
        about |= {"at": now.isoformat(), "parts": reading.parts, "complete": reading.complete}
        made._write("import.json", about)
        return made

    def preview(self, at_once: int = AT_ONCE) -> ImportPreview:
        """Return what it would publish; nothing is changed. Raises NoStackError."""
        state = stacks.ended(self._stack.steps, self.start(at_once, preview=True))
        if state["status"] != "SUCCEEDED":
            why = f"{state.get('error', '')} {state.get('cause', '')}".strip()
            raise NoStackError(f"what {self.name} would publish can't be found out, nothing was imported: {why}")
        found = (self._read(f"preview/{part}.json") for part in self._about()["parts"])
        return ImportPreview.of(part for part in found if part is not None)

    def complete(self) -> list[str]:
        """Return the course runs of which it has certificates and grades. Raises NoStackError."""
        found: list[str] = self._about()["complete"]
        return found

    def accept(self, course_runs: Iterable[str]) -> None:
        """Note that a person accepted to import into these live course runs."""
        self._write(ACCEPTED, sorted(course_runs))

    def is_accepted(self) -> bool:
        """Whether a person accepted it, or nobody has to."""
        return self._read(ACCEPTED) is not None

    def run(self, at_once: int = AT_ONCE, on_progress: Callable[[int], object] = lambda _parts: None) -> ImportReport:
        """Import all parts that are not imported yet, and report. Raises NoStackError if there is no such import.

        `on_progress` is called with the number of imported parts.
        """
        started = time.monotonic()
        execution = self.start(at_once)
        state = stacks.ended(self._stack.steps, execution, lambda: on_progress(sum(1 for _ in self._results())))
        report = self.report()
        if state["status"] != "SUCCEEDED":
            report.error = f"{state['status']}: {state.get('error', '')} {state.get('cause', '')}".strip()
        report.seconds = time.monotonic() - started
        return report

    def start(self, at_once: int = AT_ONCE, *, preview: bool = False) -> str:
        """Start the state machine on the other parts; return the execution's ARN. Raises NoStackError."""
        reported = {
            "preview": preview,
            "folder": self._folder,
            "course_runs": COURSE_RUNS,
            "manifest": f"{self._folder}/manifest.json",
            "at": self._about()["at"],
            "at_once": at_once,
        }
        started = self._stack.steps.start_execution(
            stateMachineArn=self._stack.machine, name=f"{self.name}-{uuid4().hex[:6]}", input=json.dumps(reported)
        )
        return str(started["executionArn"])

    def report(self) -> ImportReport:
        """Return what came of it until now. Raises NoStackError."""
        about = self._about()
        parts: dict[str, int] = about["parts"]
        read = {name: about[name] for name in _OF_READING if name in about}  # an older import has less
        report = ImportReport(self.name, parts=len(parts), records=sum(parts.values()), **read)
        with ThreadPoolExecutor(_REQUESTS_AT_ONCE) as pool:
            results = list(pool.map(lambda part: self._read(f"results/{part}.json"), parts))
        for part, result in zip(parts, results, strict=True):
            if result is None:
                report.missing.append(part)
                continue
            report.saved += result["saved"]
            report.unchanged += result["unchanged"]
            report.statuses.update(result["statuses"])
            report.refused += result["refused"]
            report.failed += [{"part": part, **failed} for failed in result["failed"]]
        return report

    def _about(self) -> Mapping[str, Any]:
        about = self._read("import.json")
        if about is None:
            raise NoStackError(f"there is no import {self.name!r} in {self._stack.bucket}")
        found: Mapping[str, Any] = about
        return found

    def _results(self) -> Iterator[str]:
        pages = self._stack.s3.get_paginator("list_objects_v2").paginate(
            Bucket=self._stack.bucket, Prefix=f"{self._folder}/results/"
        )
        for page in pages:
            yield from (item["Key"] for item in page.get("Contents", ()))

    def _read(self, name: str) -> Any:
        try:
            answer = self._stack.s3.get_object(Bucket=self._stack.bucket, Key=f"{self._folder}/{name}")
        except self._stack.s3.exceptions.NoSuchKey:
            return None
        return json.loads(answer["Body"].read())

    def _write(self, name: str, body: object) -> None:
        key = f"{self._folder}/{name}"
        self._stack.s3.put_object(Bucket=self._stack.bucket, Key=key, Body=json.dumps(body).encode())

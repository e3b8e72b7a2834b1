"""Bulk runs on the local cloud, step by step."""

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count
from typing import Any

import pytest

from tests.scenes.published import sent
from tests.scenes.scene import Learner, Scene, as_time, day

_numbers = count(1)


NOW = datetime.now(UTC)


def in_parts_of(changes: int, scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have plans in parts of so many changes; with one change each, a part has the name of its shard."""
    for module in ("planning", "sealing"):
        monkeypatch.setattr(scene.module("PlanFunction", f"certrules.bulk.{module}"), "PART", changes)


@dataclass
class Run:
    """A bulk run, whose steps are taken one by one."""

    scene: Scene
    course_runs: list[str] | str
    at: datetime = NOW
    more: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.id = f"run-{next(_numbers)}"
        request = {"course_runs": self.course_runs, "by": "ada", "reason": "new policy", "at": as_time(self.at)}
        self.state: dict[str, Any] = {"id": self.id, "request": {**request, **self.more}, "approval": None}

    @classmethod
    def of(cls, scene: Scene, run_id: str) -> "Run":
        """Return a run that the state machine took up."""
        run = cls(scene, [])
        run.id = run_id
        return run

    # --- the steps

    def begin(self) -> list[dict[str, Any]]:
        """Begin, and return the shards to plan."""
        self.state = self._invoke("PlanFunction", do="begin", run=self.state)
        return self.manifest("begun")

    def plan(self, *shards: dict[str, Any]) -> None:
        """Plan these shards."""
        for shard in shards:
            self._invoke("PlanFunction", do="shard", **shard)

    def seal(self) -> str:
        """Seal the plan, and return what follows."""
        self.state["sealed"] = self._invoke("PlanFunction", do="seal", run=self.state)
        return str(self.state["sealed"]["next"])

    def approve(self, by: str = "bob") -> None:
        """Have it approved."""
        self.state["approval"] = {"hash": self.state["sealed"]["hash"], "by": by, "at": as_time(self.at)}

    def list_parts(self) -> list[dict[str, Any]]:
        """Return the parts to apply."""
        self.state["parts"] = self._invoke("PlanFunction", do="list-parts", run=self.state)
        return self.manifest("parts")

    def apply(self, *parts: dict[str, Any]) -> None:
        """Apply these parts."""
        for part in parts:
            self._invoke("ApplyFunction", run=self.state, item=part)

    def report(self) -> Any:
        """Report, and return the report."""
        self._invoke("ReportFunction", do="report", run=self.state, execution=f"{self.id}-1")
        return self.file("report.json")

    # --- all of them

    def planned(self) -> str:
        """Plan all, and return what follows."""
        self.plan(*self.begin())
        return self.seal()

    def go(self, approved_by: str = "bob") -> Any:
        """Take all steps, and return the report."""
        following = self.planned()
        if following == "ask":
            self.approve(approved_by)
            following = "apply"
        if following == "apply":
            self.apply(*self.list_parts())
        return self.report()

    # --- its files

    def manifest(self, step: str) -> list[dict[str, Any]]:
        """Return the items of a map."""
        key = self.state[step]["manifest"].removeprefix(f"runs/{self.id}/")
        items: list[dict[str, Any]] = self.file(key)
        return items

    def file(self, name: str) -> Any:
        """Return the rows of a file."""
        return json.loads(self.text(name))

    def text(self, name: str) -> str:
        """Return what a file holds."""
        body = self.scene.client("s3").get_object(Bucket=self._bucket, Key=f"runs/{self.id}/{name}")["Body"]
        return str(body.read().decode())

    def write(self, name: str, content: bytes) -> None:
        """Write a file, as nobody should."""
        self.scene.client("s3").put_object(Bucket=self._bucket, Key=f"runs/{self.id}/{name}", Body=content)

    def changes(self) -> list[dict[str, Any]]:
        """Return all changes of the plan."""
        return [change for name, _, _ in self.file("parts.json") for change in self.file(f"plan/{name}.json")]

    @property
    def _bucket(self) -> str:
        return self.scene.cloud.physical("BulkBucket")

    def _invoke(self, function: str, **event: Any) -> Any:
        return self.scene.cloud.invoke(function, event)


def class_of(size: int, first: Learner) -> list[Learner]:
    """Return learners of the same course run."""
    return [Learner(first.learner_id * 1000 + number, first.course_run) for number in range(size)]


def everything(scene: Scene) -> dict[tuple[str, ...], Any]:
    """Return both tables, as they are."""
    return {
        (table, item["p"]["S"], item["s"]["S"]): item
        for table in ("CertificatesTable", "HistoryTable")
        for item in scene.items(table)
    }


def waiting(scene: Scene, learner: Learner, size: int = 5) -> list[Learner]:
    """Return learners who earned a certificate that they don't have: their course run only became known since."""
    learners = class_of(size, learner)
    for one in learners:
        scene.ingest(one.enrolled(day(1)), one.id_approved(day(1)), one.passing(day(3)))
    scene.ingest(learner.configured(day(4)))
    scene.empty_queues()  # nobody decides them again
    return learners


def revocable(scene: Scene, learner: Learner, size: int = 5) -> list[Learner]:
    """Return learners whose grade fell, and whose hold ran out unseen."""
    learners = class_of(size, learner)
    scene.ingest(learner.configured(day(1)))
    for one in learners:
        scene.ingest(one.enrolled(day(1)), one.id_approved(day(1)), one.passing(day(3)))
        scene.ingest(sent(one.failing(day(5))))
    scene.empty_queues()
    return learners


def statuses(scene: Scene, learners: list[Learner]) -> list[str | None]:
    """Return the status of each one's certificate."""
    return [certificate and certificate.status for certificate in map(scene.certificate, learners)]


def outcome(**counts: int) -> dict[str, int]:
    """Return what became of the changes of a plan."""
    return {"applied": 0, "already": 0, "changed_since": 0, "failed": 0, "unknown": 0, **counts}

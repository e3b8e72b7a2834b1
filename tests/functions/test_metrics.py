"""What functions report in their logs, where each metric costs bytes."""

import io
import json
from typing import Any

import pytest

from certrules.core.terms import RELEASED, REVOKING
from tests.scenes.scene import Learner, Scene, day

LINE_BYTES = 600
"""How many bytes `ingest` logs at most where one event comes alone: each time, they cost more than the function."""


class Reported:
    """The metrics that a function reports, read from its log."""

    def __init__(self, scene: Scene, function: str, monkeypatch: pytest.MonkeyPatch) -> None:
        self._log = io.StringIO()
        monkeypatch.setattr(scene.cloud.functions[function], "log", self._log)
        self.size = 0  # of the last line, in bytes

    def take(self) -> dict[str, float]:
        """Return the metrics of the only line, and forget it."""
        (text,) = [line for line in self._log.getvalue().splitlines() if line.startswith('{"_aws":')]
        self._log.truncate(self._log.seek(0))
        self.size = len(text.encode())
        line: dict[str, Any] = json.loads(text)
        names = [metric["Name"] for directive in line["_aws"]["CloudWatchMetrics"] for metric in directive["Metrics"]]
        return {name: sum(line[name]) for name in names}


def test_ingest_reports_what_happened_and_nothing_that_did_not(
    scene: Scene, learner: Learner, monkeypatch: pytest.MonkeyPatch
) -> None:
    *before, passes = learner.qualifying()
    scene.ingest(*before)
    reported = Reported(scene, "IngestFunction", monkeypatch)
    always = {"Messages": 1, f"received_{passes['metadata']['event_type']}": 1}

    scene.ingest(passes)
    awarded = reported.take()
    assert awarded.pop("EventToCertificateMilliseconds") >= 0
    assert awarded == {**always, "Saved": 1, "cause_earned": 1}
    assert reported.size <= LINE_BYTES

    scene.ingest(passes)
    known = reported.take()
    assert known.pop("EventToCertificateMilliseconds") >= 0
    assert known == always

    scene.ingest({**passes, "metadata": {"nonsense": 1}})
    assert {name for name in reported.take() if not name.startswith("parked_")} == {"Messages", "Parked"}


def test_the_schedule_reports_the_baseline_of_revocations_though_no_event_comes(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    reported = Reported(scene, "SweepFunction", monkeypatch)

    scene.sweep(day(1))

    causes = {name: value for name, value in reported.take().items() if name.startswith("cause_")}
    assert causes == {f"cause_{cause}": 0 for cause in REVOKING - RELEASED}

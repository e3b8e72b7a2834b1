"""Metrics that functions print in CloudWatch's embedded metric format, as Lambda's log gives them to CloudWatch."""

from __future__ import annotations

import io
import json
from collections import defaultdict
from datetime import UTC, datetime
from itertools import batched
from typing import TYPE_CHECKING, Any, TextIO, override

if TYPE_CHECKING:
    from collections.abc import Iterator

BEGINNING = '{"_aws":'
MINUTE = 60
MOST_IN_A_REQUEST = 1000

type _Key = tuple[str, str, str, tuple[tuple[str, str], ...], int]  # namespace, name, unit, dimensions, minute


class MetricsLog(io.TextIOBase):
    """A function's log that adds up the metrics in it, by minute, and passes everything on, if `log` is given."""

    def __init__(self, log: TextIO | None) -> None:
        self._log = log
        self._sums: defaultdict[_Key, float] = defaultdict(float)

    @override
    def write(self, text: str) -> int:
        if text.startswith(BEGINNING):
            for key, value in _metrics_in(json.loads(text)):
                self._sums[key] += value
        return len(text) if self._log is None else self._log.write(text)

    def send(self, cloudwatch: Any) -> None:
        """Put what was added up since the last time into CloudWatch, if there is anything."""
        sums, self._sums = self._sums, defaultdict(float)
        metrics = defaultdict(list)
        for (namespace, name, unit, dimensions, minute), value in sums.items():
            metric = {
                "MetricName": name,
                "Dimensions": [{"Name": dimension, "Value": text} for dimension, text in dimensions],
                "Timestamp": datetime.fromtimestamp(minute * MINUTE, UTC),
                "Value": value,
                "Unit": unit,
            }
            metrics[namespace].append(metric)
        for namespace, of_namespace in metrics.items():
            for some in batched(of_namespace, MOST_IN_A_REQUEST, strict=False):
                cloudwatch.put_metric_data(Namespace=namespace, MetricData=some)


def _metrics_in(line: dict[str, Any]) -> Iterator[tuple[_Key, float]]:
    """Yield the metrics of a printed line, and their values."""
    minute = int(line["_aws"]["Timestamp"]) // 1000 // MINUTE
    for directive in line["_aws"]["CloudWatchMetrics"]:
        for names in directive["Dimensions"]:
            dimensions = tuple((name, str(line[name])) for name in sorted(names))
            for metric in directive["Metrics"]:
                values = line[metric["Name"]]
                total = sum(values) if isinstance(values, list) else values
                yield (directive["Namespace"], metric["Name"], metric.get("Unit", "None"), dimensions, minute), total

"""Healing: lost events and requests are sent again."""

from collections.abc import Iterable
from datetime import datetime
from itertools import batched
from typing import NamedTuple

from certrules import aws, decide_again, publishing, storage
from certrules.reconciliation.finding_types import UNDECIDED, UNPUBLISHED, RecordFinding
from certrules.reconciliation.reading import read_body
from certrules.storage import BATCH_GET_KEYS, Pair


class Means(NamedTuple):
    """Where lost deliveries are sent again."""

    bus: str
    ingest_queue: str
    certificate_url: str
    host: str  # the `sourcehost` of published events


def heal(findings: Iterable[RecordFinding], means: Means, at: datetime, now: datetime) -> None:
    """Send lost events and requests again, the latter as of `at` (UTC). Raises SendError; a retry is safe."""
    lost: dict[Pair, int] = {}
    undecided = []
    for finding in findings:
        if finding.code == UNPUBLISHED.code:
            lost[finding.pair] = min(finding.number, lost.get(finding.pair, finding.number))
        elif finding.code == UNDECIDED.code:
            undecided.append(finding)
    pairs = (finding.pair for finding in undecided)
    aws.send(means.ingest_queue, decide_again.requests_for(pairs, "reconcile", at))
    for some in batched(lost.items(), BATCH_GET_KEYS, strict=False):
        history = [
            (f"{item.p}#{item.s}", item.b)
            for pair, first in some
            for item in storage.history_items_of(pair)
            if storage.place_of(item)[1] >= first and read_body(item) is not None
        ]
        published = publishing.publish(means.bus, history, means.certificate_url, means.host)
        publishing.save_receipts(published, now)
        if len(published) < len(history):
            raise aws.SendError(f"the bus did not take {len(history) - len(published)} of {len(history)} changes")

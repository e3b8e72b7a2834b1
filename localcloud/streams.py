"""The stream of a table: its records, and its only shard."""

from __future__ import annotations

import time
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast, override

from moto.dynamodb.models.table import StreamShard

if TYPE_CHECKING:
    from moto.dynamodb.models.dynamo_type import Item

    from localcloud.tables import Json, LocalTable

STREAM_RECORDS = 10_000  # records behind the last reader that a stream holds at least


@dataclass(frozen=True, slots=True)
class StreamRecord:
    """One item's change, in the form of a stream record. `at` is in seconds since 1970."""

    sequence_number: int
    before: Item | None
    after: Item | None
    at: float

    def record(self, table: LocalTable) -> Json:
        """Return the change as a stream record, as Lambda passes it on."""
        item = self.after or self.before
        assert item is not None
        view = cast("dict[str, str]", table.stream_specification)["StreamViewType"]
        images: Json = {"Keys": table.key_of(item)}
        if self.after is not None and view in {"NEW_IMAGE", "NEW_AND_OLD_IMAGES"}:
            images["NewImage"] = self.after.to_json()["Attributes"]
        if self.before is not None and view in {"OLD_IMAGE", "NEW_AND_OLD_IMAGES"}:
            images["OldImage"] = self.before.to_json()["Attributes"]
        return {
            "eventID": uuid.uuid5(uuid.NAMESPACE_OID, f"{table.table_arn}/{self.sequence_number}").hex,
            "eventName": "INSERT" if self.before is None else "REMOVE" if self.after is None else "MODIFY",
            "eventVersion": "1.1",
            "eventSource": "aws:dynamodb",
            "awsRegion": table.region_name,
            "dynamodb": {
                "ApproximateCreationDateTime": float(int(self.at)),
                **images,
                "SequenceNumber": str(self.sequence_number),
                "SizeBytes": sum(image.size() for image in (self.before, self.after) if image is not None),
                "StreamViewType": view,
            },
        }


class LocalStreamShard(StreamShard):
    """A stream's only shard. Moto's would render each change at once, and hold all of them for ever."""

    table: LocalTable
    items: list[StreamRecord]  # type: ignore[assignment]

    @override
    def add(self, old: Item | None, new: Item | None) -> None:
        """Note a change. Moto calls this for every write."""
        if not self.table.in_transaction:
            self.table.publish(old, new)

    def append(self, old: Item | None, new: Item | None) -> None:
        """Put a change at the end of the stream."""
        number = self.starting_sequence_number + len(self.items)
        self.items.append(StreamRecord(number, old, new, time.time()))

    @override
    def get(self, start: int, quantity: int) -> list[Json]:
        """Return up to so many records from this sequence number on, as GetRecords does."""
        return [change.record(self.table) for change in self.changes(start, quantity)]

    def changes(self, start: int, quantity: int) -> list[StreamRecord]:
        """Return up to so many changes from this sequence number on; 0 is the oldest that it holds."""
        first = max(0, start - self.starting_sequence_number)
        return self.items[first : first + quantity]

    def forget(self, before: int) -> None:
        """Forget what lies far enough before this sequence number, which every reader has passed."""
        passed = before - self.starting_sequence_number
        if passed > 2 * STREAM_RECORDS:
            del self.items[: passed - STREAM_RECORDS]
            self.starting_sequence_number += passed - STREAM_RECORDS

"""History, compared with receipts and with the records that count it."""

from collections.abc import Iterable, Iterator
from itertools import batched

from certrules import storage
from certrules.reconciliation.finding_types import (
    HISTORY_MISSING,
    RECORD_MISSING,
    UNPUBLISHED,
    UNREADABLE,
    RecordFinding,
)
from certrules.reconciliation.reading import load_readable, read_body
from certrules.storage import BATCH_GET_KEYS, Pair


def in_history(
    items: Iterable[storage.HistoryItem], before: tuple[Pair, int] | None = None, *, consistent: bool = False
) -> Iterator[RecordFinding]:
    """Compare history, in the order in which it is stored, with receipts and records.

    `before` is the item before the first one, if the scan had one.
    """
    for some in batched(items, BATCH_GET_KEYS, strict=False):
        keys = [storage.place_of(item) for item in some]
        receipts = storage.receipts((item.p, item.s) for item in some)
        last = dict(keys)  # the last of each
        records = load_readable(list(last), consistent=consistent)[0].records  # in_records finds the unreadable ones
        for item, (pair, number) in zip(some, keys, strict=True):
            if number != (before[1] + 1 if before and before[0] == pair else 1):
                yield RecordFinding(HISTORY_MISSING.code, *pair)
            if read_body(item) is None:
                yield RecordFinding(UNREADABLE.code, *pair, number)
            elif (item.p, item.s) not in receipts:
                yield RecordFinding(UNPUBLISHED.code, *pair, number)
            before = pair, number
        for pair, number in last.items():
            record = records.get(pair)
            if record is not None and record.history_count < number:
                yield RecordFinding(RECORD_MISSING.code, *pair)

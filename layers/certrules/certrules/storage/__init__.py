"""Records, history and notes in DynamoDB. Only this package talks to DynamoDB."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from certrules.storage.plain import BATCH_GET_KEYS
from certrules.storage.tables import (
    CATALOGUE_SHARDS,
    COURSE_RUN_SHARDS,
    DUE_SHARDS,
    PENDING_SHARDS,
    TRANSACTION_ITEMS,
    TRANSITION_SHARDS,
    WITHOUT_TIMELINE,
    HistoryItem,
    Item,
    LostRaceError,
    Pair,
    SupportItem,
    connect,
    history_key,
    place_of,
    put_item,
    shard_of,
    shared_connection,
    timeline_of,
)

if TYPE_CHECKING:  # of _LATER
    from certrules.storage.audit_log import add_entry, entries, entries_about, entry_key, find_entry
    from certrules.storage.breaker import BreakerState, load_breaker, tripped_at
    from certrules.storage.listings import (
        Place,
        course_runs,
        course_runs_in_shard,
        course_runs_of,
        course_runs_page,
        due_by,
        history_items,
        history_items_of,
        history_of,
        invalidated_in,
        learners_named,
        learners_page,
        outdated_course_runs_of,
        owners_of,
        pending_everywhere,
        pending_page,
        records_and_name_of,
        records_of,
        scan_history,
        scan_records,
        send_history_again,
    )
    from certrules.storage.notes import find_note, notes_of, receipts, receipts_of, save_note, save_receipts
    from certrules.storage.records import (
        Loaded,
        RecordWrite,
        StoredRecord,
        StoredTimeline,
        change_name,
        change_record,
        load,
        name_of,
        save_changed,
        save_record,
        save_records,
        save_timeline,
    )
    from certrules.storage.standings import Listed, learners_in, standing_page, standings_of
    from certrules.storage.transitions import (
        WEEK,
        ListedTransition,
        counted_by_week,
        monday_of,
        transitions,
    )

__all__ = [
    "BATCH_GET_KEYS",
    "CATALOGUE_SHARDS",
    "COURSE_RUN_SHARDS",
    "DUE_SHARDS",
    "PENDING_SHARDS",
    "TRANSACTION_ITEMS",
    "TRANSITION_SHARDS",
    "WEEK",
    "WITHOUT_TIMELINE",
    "BreakerState",
    "HistoryItem",
    "Item",
    "Listed",
    "ListedTransition",
    "Loaded",
    "LostRaceError",
    "Pair",
    "Place",
    "RecordWrite",
    "StoredRecord",
    "StoredTimeline",
    "SupportItem",
    "add_entry",
    "change_name",
    "change_record",
    "connect",
    "counted_by_week",
    "course_runs",
    "course_runs_in_shard",
    "course_runs_of",
    "course_runs_page",
    "due_by",
    "entries",
    "entries_about",
    "entry_key",
    "find_entry",
    "find_note",
    "history_items",
    "history_items_of",
    "history_key",
    "history_of",
    "invalidated_in",
    "learners_in",
    "learners_named",
    "learners_page",
    "load",
    "load_breaker",
    "monday_of",
    "name_of",
    "notes_of",
    "outdated_course_runs_of",
    "owners_of",
    "pending_everywhere",
    "pending_page",
    "place_of",
    "put_item",
    "receipts",
    "receipts_of",
    "records_and_name_of",
    "records_of",
    "save_changed",
    "save_note",
    "save_receipts",
    "save_record",
    "save_records",
    "save_timeline",
    "scan_history",
    "scan_records",
    "send_history_again",
    "shard_of",
    "shared_connection",
    "standing_page",
    "standings_of",
    "timeline_of",
    "transitions",
    "tripped_at",
]

_LATER = ("notes", "records", "breaker", "audit_log", "standings", "transitions", "listings")
"""The modules that not every start waits for: loaded, in this order, until one has a name that is used first."""

if not TYPE_CHECKING:  # or no misspelt name would be found

    def __getattr__(name: str) -> Any:
        """Return a name of the modules that are loaded late, and have all names of those here from now on."""
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        for module in _LATER:
            loaded = import_module(f"{__name__}.{module}")
            for known in __all__:  # importing a module put it under its own name, which one of its functions may have
                if known in vars(loaded) and globals().get(known, loaded) is loaded:
                    globals()[known] = vars(loaded)[known]
            if name in vars(loaded):
                break
        return globals()[name]

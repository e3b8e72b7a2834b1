"""What waits for somebody: the first page of the console."""

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from certrules import aws, storage
from certrules.bulk import lifecycle
from certrules.bulk.runs import Approvers
from certrules.core.policy import Policies, overridden
from certrules.formats.stored import as_time
from certrules.records.seen import WaitingPlace
from certrules.requests import identity
from certrules.storage import Pair
from certrules.support import records, revocations
from certrules.support.case_history import values_at
from certrules.support.cases import Case, pending_as_json

MOST_A_SHARD = 10
"""How many pending revocations are looked at in each shard of their index; that there are more is stated."""

MOST_DELIVERIES = 100


class Work(NamedTuple):
    """Something that waits."""

    code: str
    title: str
    how_many: int
    page: str  # the path of the page that has it
    query: Mapping[str, str] = {}
    oldest: datetime | None = None  # UTC; None: unknown
    more: bool = False  # there are more than that
    by: Mapping[str, int] = {}  # how many of each reason


def work_for(
    by: str, machine: str, bucket: str, queues: Mapping[str, str], policies: Policies, now: datetime
) -> list[Work]:
    """Return what waits as of now (UTC), as a person sees it; nothing that has none.

    `queues`: the addresses of `parked` and `undelivered`. It costs 16 queries of the index of pending revocations,
    which overlap, and up to six requests for what these are; two queries of notes; two or three requests of queues;
    two for each bulk run that runs; where records are on, four queries more.
    """
    found = [
        *_bulk_revocations(by, now),
        *_bulk_runs(by, lifecycle.runs(machine, bucket, now)),
        *_pending(policies, now),
        *_messages(queues),
        *_deliveries(),
    ]
    return [work for work in found if work.how_many]


def _bulk_revocations(by: str, now: datetime) -> Iterable[Work]:
    waiting = [item for item in revocations.revocations(now) if item["state"] == "requested"]
    others = [item for item in waiting if identity(item["requested_by"]) != identity(by)]
    own = [item for item in waiting if item not in others]
    yield _since("revocations", "Bulk revocations wait for your approval", others, "requested_at", "/revocations")
    yield _since(
        "own_revocations", "Bulk revocations of yours wait for a colleague", own, "requested_at", "/revocations"
    )


def _bulk_runs(by: str, runs: Iterable[Mapping[str, Any]]) -> Iterable[Work]:
    runs = [{**run, "at": run["request"]["at"]} for run in runs]
    waiting = [run for run in runs if run["state"] == "waiting"]
    own = [
        run
        for run in waiting
        if run["plan"]["approvers"] == Approvers.SOMEBODY_ELSE and identity(run["request"]["by"]) == identity(by)
    ]
    others = [run for run in waiting if run not in own]
    stuck = [run for run in runs if run["state"] == "interrupted"]
    running = [run for run in runs if run["state"] not in lifecycle.ENDED | {"waiting", "interrupted"}]
    yield _since("plans", "Plans of bulk runs wait for your approval", others, "at", "/regenerations")
    yield _since("own_plans", "Plans of your bulk runs wait for a colleague", own, "at", "/regenerations")
    yield _since("interrupted", "Bulk runs were interrupted: resume them", stuck, "at", "/regenerations")
    yield _since("running", "Bulk runs are running", running, "at", "/regenerations")


def _since(code: str, title: str, items: list[Any], field: str, page: str) -> Work:
    oldest = min((datetime.fromisoformat(item[field]) for item in items), default=None)
    return Work(code, title, len(items), page, oldest=oldest)


def _pending(policies: Policies, now: datetime) -> Iterable[Work]:
    """Return the revocations that are held for a person, those due within a day, and the breakers that tripped."""
    pairs, more = storage.pending_everywhere(MOST_A_SHARD)
    loaded = storage.load(pairs) if pairs else None
    rows = []
    for pair in pairs:
        case = Case(pair, loaded, policies)  # type: ignore[arg-type]
        pending = pending_as_json(case.published.pending)
        if pending is not None:
            rows.append((pair, pending))
    held = [pending for _, pending in rows if pending["due"] is None]
    soon = str(as_time(now + timedelta(days=1)))
    due = [pending for _, pending in rows if pending["due"] is not None and pending["due"] < soon]
    yield _since("held", "Revocations are held for a person", held, "since", "/revocations")._replace(more=more)
    yield _since("due", "Revocations take effect within 24 hours", due, "since", "/revocations")._replace(more=more)
    yield _breakers({pair for pair, pending in rows if pending["due"] is None}, loaded, policies, now)


def _breakers(held: Iterable[Pair], loaded: Any, policies: Policies, now: datetime) -> Work:
    tripped = storage.tripped_at({pair.course_run for pair in held}) if held else {}
    deployed = next((policy for since, policy in reversed(policies) if since <= now), policies[0][1])
    open_now = {}
    for course_run, at in tripped.items():
        settings = {name: value for (_, name), value in values_at(loaded.course_runs[course_run].timeline, now).items()}
        if at > now - overridden(deployed, settings.get("policy")).breaker_window:
            open_now[course_run] = at
    one = {"course_run": min(open_now)} if len(open_now) == 1 else {}
    page = "/course-run" if one else "/revocations"
    return Work("breakers", "Breakers are tripped", len(open_now), page, one, min(open_now.values(), default=None))


def _messages(queues: Mapping[str, str]) -> Iterable[Work]:
    undelivered = aws.waiting_in(queues["undelivered"])
    yield Work("undelivered", "Status changes did not reach a consumer", undelivered, "/consumers")
    parked = aws.waiting_in(queues["parked"])
    seen = aws.peek(queues["parked"]) if parked else []
    by = Counter(message.attributes.get("reason", "unknown") for message in seen)
    oldest = min((message.sent_at for message in seen), default=None)
    yield Work("parked", "Messages are parked", parked, "/messages", oldest=oldest, by=dict(by))


def _deliveries() -> Iterable[Work]:
    if not records.is_on():
        return
    rows, following = records.waiting(None, WaitingPlace(), MOST_DELIVERIES)
    by = Counter(row["reason"] or "not tried so far" for row in rows)
    title = "Deliveries wait for the Credentials service"
    yield Work("deliveries", title, len(rows), "/records", more=following is not None, by=dict(by))

"""Who decides in course runs: listed, and changed by one event each; live only after a comparison."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from certrules import settings, storage
from certrules.bulk.lifecycle import comparison_of
from certrules.core.fact_types import Fact
from certrules.core.rollout import rollout_state
from certrules.core.terms import Rollout
from certrules.core.timeline import Timeline
from certrules.formats.stored import as_time
from certrules.requests import RefusedActError, event_id_of
from certrules.support.acts import event_of

CONFIGURED = "certificates.course_run.configured.v1"

VALID_FOR = timedelta(days=1)
"""How long a comparison is valid."""

MOST = 500
"""How many course runs are changed by one call: an event each."""


def status_of(course_runs: Sequence[str]) -> list[dict[str, Any]]:
    """Return who decides in these course runs, since when, and by whom: a request for each hundred."""
    default = settings.default_rollout()
    loaded = storage.load(course_runs=course_runs).course_runs if course_runs else {}
    return [{"course_run": name, **_status(loaded[name].timeline, default)} for name in course_runs]


def _status(timeline: Timeline, default: Rollout) -> dict[str, Any]:
    entries = [entry for entry in timeline if entry.fact is Fact.COURSE_RUN and entry.subject == "rollout"]
    last = entries[-1] if entries else None
    return {
        "rollout": rollout_state(timeline, default).rollout,
        "known": bool(timeline),
        "at": as_time(last.at) if last else None,  # None: it has the deployment's default
        "by": last.by if last else "",
        "reason": last.notes if last else "",
    }


class Accepted(NamedTuple):
    """What a person accepts of a comparison, by number, so that nobody goes live without having looked at it."""

    revocations: int = 0  # certificates that don't rest on the facts, or would be held
    withheld: int = 0  # certificates that the old logic withheld, and the facts don't
    not_compared: int = 0  # course runs in which there is nothing to compare


def planned(
    bucket: str,
    rollout: Rollout,
    course_runs: Sequence[str],
    compared: str | None,
    accepted: Accepted,
    now: datetime,
) -> dict[str, Any]:
    """Return the plan of a change of rollout. Raises RefusedActError if one of the course runs may not go live yet."""
    if rollout is Rollout.LIVE:
        unknown = [row["course_run"] for row in status_of(course_runs) if not row["known"]]
        if unknown:
            fix = f"have the platform send {CONFIGURED} for it first"
            raise RefusedActError(409, f"{unknown[0]} is not known", fix, "course_runs")
        _refuse_unseen(bucket, course_runs, compared, accepted, now)
    return {"rollout": rollout, "course_runs": list(course_runs), "at": as_time(now)}


def _refuse_unseen(
    bucket: str, course_runs: Iterable[str], compared: str | None, accepted: Accepted, now: datetime
) -> None:
    fix = "compare the course runs first (certs rollout compare), and name the run"
    found = comparison_of(bucket, compared or "-")
    if found is None:
        raise RefusedActError(409, "no comparison says what going live will do", fix, "comparison")
    request, comparison = found
    if request.at < now - VALID_FOR:
        raise RefusedActError(409, f"the comparison is of {as_time(request.at)}, and too old", fix, "comparison")
    covered = None if request.course_runs == "all" else set(request.course_runs)
    if request.learners or request.statuses or (covered is not None and (missing := set(course_runs) - covered)):
        which = f": {min(missing)}" if covered is not None and missing else ""
        raise RefusedActError(409, f"the comparison leaves somebody out{which}", fix, "comparison")
    rows = {row["course_run"]: row for row in comparison["course_runs"]}
    undecided = sum(rows[name]["undecided"] for name in course_runs if name in rows)
    if undecided:
        raise RefusedActError(
            409, f"{undecided} records could not be read", "mend them, and compare again", "comparison"
        )
    _refuse_unaccepted(course_runs, rows, accepted)


def _refuse_unaccepted(course_runs: Iterable[str], rows: Mapping[str, Mapping[str, Any]], accepted: Accepted) -> None:
    """Refuse unless each number that a person has to accept is accepted."""
    nothing = "no learner is known in it; nothing was compared"
    found = [rows.get(name) or {"course_run": name, "not_compared": nothing} for name in course_runs]
    not_compared = [row for row in found if row.get("not_compared")]
    by_status = Counter[str]()
    for row in found:
        by_status.update(row.get("withheld_by_status", {}))
    statuses = ", ".join(f"{count} {status}" for status, count in sorted(by_status.items()))
    withheld = (
        f"{{}} certificates were withheld by the old logic ({statuses}), for no reason that the facts contain; whoever "
        "is to stay without one needs an invalidation first"
    )
    first = f": {not_compared[0]['course_run']}: {not_compared[0]['not_compared']}" if not_compared else ""
    counted = (
        (
            "revocations",
            sum(row.get("revocations", 0) for row in found),
            "{} certificates don't rest on the facts, or would be held until a person decides",
        ),
        ("withheld", by_status.total(), withheld),
        ("not_compared", len(not_compared), f"in {{}} course runs there is nothing to compare{first}"),
    )
    for name, count, title in counted:
        if count != getattr(accepted, name):
            fix = f"look at the comparison's report, and accept that very number: {count}"
            raise RefusedActError(409, title.format(count), fix, f"accept_{name}")


def events_of(event_id: str, plan: Mapping[str, Any], by: str, reason: str) -> Iterator[dict[str, Any]]:
    """Return the event that sets each course run's rollout."""
    at = datetime.fromisoformat(plan["at"])
    for course_run in plan["course_runs"]:
        data = {"course_key": course_run, "rollout": plan["rollout"], "by": by, "notes": reason}
        yield event_of(CONFIGURED, "course_run", data, event_id_of(event_id, course_run), at)

"""Who decides in course runs: listed, and changed by one event each; live only after a comparison."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from certrules import settings, storage
from certrules.bulk.runs import BulkRequest, folder_of, read
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


def planned(
    bucket: str,
    rollout: Rollout,
    course_runs: Sequence[str],
    compared: str | None,
    accepted: int | None,
    now: datetime,
) -> dict[str, Any]:
    """Return the plan of a change of rollout. Raises RefusedActError if one of the course runs may not go live yet."""
    if rollout is Rollout.LIVE:
        _refuse_unseen(bucket, course_runs, compared, accepted, now)
        unknown = [row["course_run"] for row in status_of(course_runs) if not row["known"]]
        if unknown:
            fix = f"have the platform send {CONFIGURED} for it first"
            raise RefusedActError(409, f"{unknown[0]} is not known", fix, "course_runs")
    return {"rollout": rollout, "course_runs": list(course_runs), "at": as_time(now)}


def _refuse_unseen(
    bucket: str, course_runs: Iterable[str], compared: str | None, accepted: int | None, now: datetime
) -> None:
    fix = "compare the course runs first (certs rollout compare), and name the run"
    folder = folder_of(bucket, compared or "-")
    request = read(folder, "request.json", BulkRequest)
    comparison = read(folder, "comparison.json", dict[str, Any])
    if request is None or comparison is None:
        raise RefusedActError(409, "no comparison says what going live will do", fix, "comparison")
    if request.at < now - VALID_FOR:
        raise RefusedActError(409, f"the comparison is of {as_time(request.at)}, and too old", fix, "comparison")
    covered = None if request.course_runs == "all" else set(request.course_runs)
    if request.learners or request.statuses or (covered is not None and (missing := set(course_runs) - covered)):
        which = f": {min(missing)}" if covered is not None and missing else ""
        raise RefusedActError(409, f"the comparison leaves somebody out{which}", fix, "comparison")
    rows = {row["course_run"]: row for row in comparison["course_runs"]}
    found = [rows[name] for name in course_runs if name in rows]
    undecided = sum(row["undecided"] for row in found)
    if undecided:
        raise RefusedActError(
            409, f"{undecided} records could not be read", "mend them, and compare anew", "comparison"
        )
    revocations = sum(row["revocations"] for row in found)
    if revocations != (accepted or 0):
        raise RefusedActError(
            409,
            f"{revocations} certificates don't rest on the facts, or would be held until a person decides",
            f"look at the comparison's report, and accept that very number: {revocations}",
            "accept_revocations",
        )


def events_of(event_id: str, plan: Mapping[str, Any], by: str, reason: str) -> Iterator[dict[str, Any]]:
    """Return the event that sets each course run's rollout."""
    at = datetime.fromisoformat(plan["at"])
    for course_run in plan["course_runs"]:
        data = {"course_key": course_run, "rollout": plan["rollout"], "by": by, "notes": reason}
        yield event_of(CONFIGURED, "course_run", data, event_id_of(event_id, course_run), at)

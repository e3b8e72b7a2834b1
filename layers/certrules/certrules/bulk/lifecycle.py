"""Bulk runs as people see them: asked for once, approved or declined, followed, resumed.

Beside its files, a run has a note in support's table, under `B` and the run's id. The token with which the state
machine waits for the approval is a note of its own, which is never shown.
"""

from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

import msgspec
from botocore.exceptions import ClientError

from certrules import audit, aws, settings, storage
from certrules.audit import Kind, Subject
from certrules.bulk.comparison_counts import summary_of as summary_of_comparison
from certrules.bulk.planning import shards_of
from certrules.bulk.reporting import DECLINED
from certrules.bulk.runs import Approvers, BulkRequest, Plan, digest_of, folder_of
from certrules.bulk.seal import checked_plan, readable, request_of
from certrules.formats.stored import as_time
from certrules.requests import RefusedActError, identity, remembered
from certrules.storage import LostRaceError, SupportItem

RUN, TOKEN = "B", "B#token"
START, RESUME = "start a bulk run", "resume a bulk run"
"""What these acts are called in the audit log."""

RETENTION = timedelta(days=365)
"""How long it is remembered that there was a run."""

ENDED = {"planned", "done", "incomplete", "failed", "declined", "expired"}
RESUMABLE = {"incomplete", "failed", "interrupted"}
ATTEMPTS = 10
MOST_BYTES = 200_000
"""How large a request may be: an execution's input has at most 256 KB."""

FILES = {"issued": "issued.csv"}
"""Reports that are only of a comparison: who would be issued a certificate by going live."""

_GONE = {"TaskTimedOut", "TaskDoesNotExist", "InvalidToken"}


# --- asked for


def start(machine: str, scope: Mapping[str, Any], by: str, key: str, now: datetime) -> dict[str, Any]:
    """Start a run, once for a key. Raises RefusedActError, LostRaceError and botocore's errors: ask again."""
    if len(msgspec.json.encode(scope)) > MOST_BYTES:
        raise RefusedActError(
            422, "so much can't be named at once", "name fewer learners or course runs, or all", "body"
        )

    def planned(name: str) -> tuple[None, str]:
        return None, f"{now:%Y%m%dT%H%M%SZ}-{name[:6]}"

    run_id = remembered(by, key, {"bulk run": scope}, now, planned)["answer"]
    item = storage.find_note(RUN, run_id)
    if item.v:
        body: dict[str, Any] = msgspec.json.decode(item.b)
    else:
        terms = msgspec.to_builtins(settings.policy_parameters())
        request = {**scope, "by": by, "at": as_time(now), "terms": terms}
        msgspec.convert({**request, "id": run_id}, BulkRequest)
        body = _new(run_id, request)
        named = () if scope["course_runs"] == "all" else tuple(scope["course_runs"])
        audit.note(run_id, by, now, Kind.ACT, Subject(START, scope["reason"], course_runs=named, run=run_id))
        storage.save_note(item, body, now + RETENTION)
    _execute(machine, body)
    return shown(body, body["state"])


def _new(run_id: str, request: Mapping[str, Any]) -> dict[str, Any]:
    nothing = ("plan", "sealed", "approval", "decided_by", "decided_at", "expires_at", "report")
    return {"id": run_id, "request": request, "state": "started", "attempt": 1, **dict.fromkeys(nothing)}


def _execute(machine: str, body: Mapping[str, Any]) -> None:
    """Have the state machine take up a run; if it did already, nothing happens."""
    run = {name: body.get(name) for name in ("id", "request", "approval", "sealed")}
    client = aws.client("stepfunctions")
    with suppress(client.exceptions.ExecutionAlreadyExists):
        client.start_execution(stateMachineArn=machine, name=_execution(body), input=msgspec.json.encode(run).decode())


def _execution(body: Mapping[str, Any]) -> str:
    return f"{body['id']}-{body['attempt']}"


def resume(machine: str, bucket: str, run_id: str, by: str, now: datetime) -> dict[str, Any]:
    """Have a run go on from where it was interrupted. Raises RefusedActError, LostRaceError, botocore's errors."""
    item, body = noted(run_id)
    state = _state(machine, bucket, body, now)
    if state not in RESUMABLE:
        fix = "start a new one" if state in ENDED else "wait until it ends"
        raise RefusedActError(409, f"it is {state}", fix)
    if body["attempt"] == ATTEMPTS:
        raise RefusedActError(409, f"it was tried {ATTEMPTS} times", "mend what its report names, then start a new one")
    body |= {"state": "started", "attempt": body["attempt"] + 1, "report": None}
    audit.note(f"{run_id}-{body['attempt']}", by, now, Kind.ACT, Subject(RESUME, run=run_id))
    storage.save_note(item, body, now + RETENTION)
    _execute(machine, body)
    return shown(body, "started")


# --- followed


def runs(machine: str, bucket: str, now: datetime, limit: int = 50) -> list[dict[str, Any]]:
    """Return the last runs, newest first."""
    found = [msgspec.json.decode(item.b) for item in storage.notes_of(RUN)[: -limit - 1 : -1]]  # named by their time
    return [shown(body, _state(machine, bucket, body, now)) for body in found]


def run(machine: str, bucket: str, run_id: str, now: datetime) -> dict[str, Any]:
    """Return a run, and how far it is. Raises RefusedActError."""
    _, body = noted(run_id)
    folder = folder_of(bucket, run_id)
    plan = readable(folder, "plan.json", Plan)
    begun = folder.read("shards.json") is not None
    progress = {
        "shards": len(shards_of(folder, request_of(body))) if begun else None,
        "shards_planned": sum(1 for _ in folder.names("shards/")),
        "parts": plan.parts if plan else None,
        "parts_applied": sum(1 for _ in folder.names("results/")) if plan else 0,
    }
    if plan is not None and body["plan"] is None:  # what waits for its approval is in the note, as it was sealed
        body["plan"] = summary_of(plan)
    return {**shown(body, _state(machine, bucket, body, now)), "progress": progress}


def comparison_of(bucket: str, run_id: str) -> tuple[BulkRequest, dict[str, Any]] | None:
    """Return the request of a comparison, and what was found; None if there is none that is as it was sealed."""
    item = storage.find_note(RUN, run_id)
    body = msgspec.json.decode(item.b) if item.v else {}
    content = folder_of(bucket, run_id).read("comparison.json")
    sealed = body.get("sealed")
    if content is None or not sealed or sealed["fields"]["comparison"] != digest_of(content):
        return None
    return request_of(body), msgspec.json.decode(content)


def shown(body: Mapping[str, Any], state: str) -> dict[str, Any]:
    """Return what people may see of a run."""
    request = {name: value for name, value in body["request"].items() if name != "terms"}
    learners = request.pop("learners", None)
    report = body["report"]
    return {
        **{name: value for name, value in body.items() if name != "sealed"},
        "request": {**request, "learners": None if learners is None else len(learners)},
        "state": state,
        "resumable": state in RESUMABLE,
        "report": report,
    }


def summary_of(plan: Plan) -> dict[str, Any]:
    """Return the summary of a plan for its approver."""
    counts = plan.counts
    return {
        "hash": plan.hash,
        "approvers": plan.approvers,
        "records": plan.records,
        "changes": counts.changes,
        "revocations": counts.revocations,
        "undecided": len(plan.failed),
        "course_runs_changed": plan.course_runs_changed,
        "by_status": counts.by_status,
        "by_cause": counts.by_cause,
        "by_reason": counts.by_reason,
    }


def piece_of(bucket: str, run_id: str, name: str, start: int, size: int) -> tuple[str, int | None]:
    """Return a piece of a run's report, whole lines of text, and where the next one starts. Raises RefusedActError."""
    content = folder_of(bucket, run_id).read(f"report.{FILES.get(name, name)}", start, size)
    if content is None:
        only = " (only a comparison has this list)" if name in FILES else ""
        raise RefusedActError(404, f"there is no report yet{only}", "wait until the run has ended", "id")
    if len(content) < size:
        return content.decode(), None
    end = content.rfind(b"\n") + 1 or len(content)
    return content[:end].decode(), start + end


def noted(run_id: str) -> tuple[SupportItem, dict[str, Any]]:
    """Return the note of a run, and what it holds. Raises RefusedActError if there is none."""
    item = storage.find_note(RUN, run_id) if 0 < len(run_id) <= 64 else None
    if item is None or not item.v:
        raise RefusedActError(404, "no such run was asked for", "see the list of runs", "id")
    return item, msgspec.json.decode(item.b)


def _state(machine: str, bucket: str, body: Mapping[str, Any], now: datetime) -> str:
    """Return the state of a run: how it ended, or how far it is."""
    state: str = body["state"]
    if state in ENDED:
        return state
    if state == "waiting" and datetime.fromisoformat(body["expires_at"]) <= now:
        return "expired"
    client = aws.client("stepfunctions")
    arn = f"{machine.replace(':stateMachine:', ':execution:')}:{_execution(body)}"
    try:
        running = client.describe_execution(executionArn=arn)["status"] == "RUNNING"
    except client.exceptions.ExecutionDoesNotExist:
        running = False
    if not running:
        return "interrupted"
    if state == "waiting":
        return state
    return "planning" if folder_of(bucket, body["id"]).read("plan.json") is None else "applying"


# --- approved


def wait(
    bucket: str, run: Mapping[str, Any], token: str, now: datetime, programs: Mapping[str, Any] | None = None
) -> None:
    """Record that a plan waits for its approval, with the token of the state machine.

    The plan is shown and approved as it was sealed, with what becomes of program certificates (None: nothing, or
    records are off). Raises PlanError if its files were altered since.
    """
    plan, _, seal = checked_plan(folder_of(bucket, run["id"]), run)
    expires_at = now + timedelta(seconds=run["begun"]["approval_seconds"])
    storage.save_note(storage.find_note(TOKEN, run["id"]), token, expires_at)
    sealed = msgspec.to_builtins(seal)
    summary = {**summary_of(plan), "programs": programs}
    _update(run, now, state="waiting", plan=summary, sealed=sealed, expires_at=as_time(expires_at))


def programs_shown(run_id: str) -> dict[str, Any] | None:
    """Return what was shown of program certificates to who approved the plan of a run; None: nothing."""
    item = storage.find_note(RUN, run_id)
    plan = msgspec.json.decode(item.b)["plan"] if item.v else None
    return None if plan is None else plan.get("programs")


def decide(
    machine: str,
    bucket: str,
    run_id: str,
    plan_hash: str,
    by: str,
    now: datetime,
    *,
    approve: bool,
) -> dict[str, Any]:
    """Approve the plan of this hash, which is then applied, or decline it.

    Killed in between, the same call by the same person carries on. Raises RefusedActError, LostRaceError and
    botocore's errors: ask again.
    """
    item, body = noted(run_id)
    result = "approved" if approve else "declined"
    if not (body["state"] == result and body["decided_by"] == by):
        state = _state(machine, bucket, body, now)
        if state != "waiting":
            raise RefusedActError(409, f"it is {state}, and waits for nobody", "see what it is at", "id")
        plan = body["plan"]
        if plan["hash"] != plan_hash:
            raise RefusedActError(
                409, "this is not the plan that waits", f"look at it: its hash is {plan['hash']}", "hash"
            )
        if approve and plan["approvers"] == Approvers.SOMEBODY_ELSE and identity(body["request"]["by"]) == identity(by):
            raise RefusedActError(403, "nobody approves what they asked for", "have a second person approve it")
        approval = {"hash": plan_hash, "by": by, "at": as_time(now)} if approve else None
        kind, name = (Kind.APPROVAL, "approve") if approve else (Kind.DECLINE, "decline")
        audit.note(run_id, by, now, kind, Subject(f"{name} a bulk run", run=run_id), count=plan["changes"])
        body |= {"state": result, "approval": approval, "decided_by": by, "decided_at": as_time(now)}
        storage.save_note(item, body, now + RETENTION)
    token = msgspec.json.decode(storage.find_note(TOKEN, run_id).b)
    client = aws.client("stepfunctions")
    try:
        if approve:
            client.send_task_success(taskToken=token, output=msgspec.json.encode(body["approval"]).decode())
        else:
            client.send_task_failure(taskToken=token, error=DECLINED, cause=by)
    except ClientError as error:
        if error.response["Error"]["Code"] not in _GONE:
            raise
    return shown(body, result)


# --- ended


def finish(report: Mapping[str, Any], run: Mapping[str, Any], now: datetime) -> None:
    """Note how a run ended."""
    result = {name: report[name] for name in ("outcome", "parts", "problem", "finished_at", "cost")}
    result["failures"] = len(report["failures"])
    if "comparison" in report:
        result["comparison"] = summary_of_comparison(report["comparison"])
    sealed = run.get("sealed") or {}
    known = {"sealed": {name: sealed[name] for name in ("hash", "fields")}} if sealed.get("hash") else {}
    _update(run, now, state=report["state"], report=result, **known)


def _update(run: Mapping[str, Any], now: datetime, **changes: Any) -> None:
    """Change the note of a run; a run that was not started through the API gets one."""
    for _ in range(5):
        item = storage.find_note(RUN, run["id"])
        body = msgspec.json.decode(item.b) if item.v else _new(run["id"], run["request"])
        try:
            storage.save_note(item, {**body, **changes}, now + RETENTION)
        except LostRaceError:
            continue
        return
    raise LostRaceError(f"lost 5 races for the note of {run['id']}")

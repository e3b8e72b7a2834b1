"""Events out: history items become the events that Open edX consumers expect, and our own.

An event's id follows from its place in history and from its content. So an event that is sent twice has one id, and
another event in the same place, after a restore, has another.
"""

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple
from uuid import NAMESPACE_URL, uuid5

import msgspec

from certrules.formats.messages import OWN_SOURCE

SOURCELIB = (11, 2, 0)
"""The version of openedx-events whose data classes these events are."""

CREATED = "org.openedx.learning.certificate.created.v1"
CHANGED = "org.openedx.learning.certificate.changed.v1"
REVOKED = "org.openedx.learning.certificate.revoked.v1"
PROGRAM_AWARDED = "org.openedx.learning.program.certificate.awarded.v1"
PROGRAM_REVOKED = "org.openedx.learning.program.certificate.revoked.v1"
HELD = "certificates.revocation.held.v1"
TRIPPED = "certificates.breaker.tripped.v1"
COMPARED = "certificates.comparison.finished.v1"
REGENERATED = "certificates.regeneration.finished.v1"
RECONCILED = "certificates.reconciliation.finished.v1"

EVENTS_OUT: Mapping[str, str] = {
    CREATED: "A certificate became downloadable: once an award.",
    CHANGED: "A certificate changed its status: once a change.",
    REVOKED: "A certificate is no longer downloadable: once a loss.",
    PROGRAM_AWARDED: "A learner has completed a program: once an award. Only where ProgramEvents is `service`.",
    PROGRAM_REVOKED: "A program certificate is revoked: once a loss. Only where ProgramEvents is `service`.",
    HELD: "A revocation is held until a person decides; the certificate stays as it is.",
    TRIPPED: "Too many automatic revocations in a course run: the rest are held until a person decides.",
    COMPARED: "Course runs were compared with the old logic: on how many certificates both agree, the rest by class.",
    REGENERATED: "A bulk run has ended, with any outcome.",
    RECONCILED: "Certificates were compared with published ones and with the facts: differences found, and healed.",
}


class Outgoing(NamedTuple):
    """An event for the bus."""

    event_type: str
    detail: str  # JSON


def events_of(history_id: str, body: str, certificate_url: str, host: str) -> Iterator[Outgoing]:
    """Return the events of one history item.

    `history_id` is its key, `body` its JSON (see formats.stored); `certificate_url` is what a certificate's id is put
    after to give its address.
    """
    item = msgspec.json.decode(body)
    if item["kind"] == "held":
        yield outgoing_event(HELD, history_id, item, host, {"revocation": _held(item), **_decision(item)})
        return
    if item["kind"] == "tripped":
        data = {"course_key": item["course_run"], "limit": item["limit"], "window_seconds": item["window_seconds"]}
        yield outgoing_event(TRIPPED, history_id, item, host, {"breaker": data})
        return
    content = {"certificate": _certificate(item, certificate_url), **_decision(item, _published_as(item, history_id))}
    if item["status"] == "downloadable":
        yield outgoing_event(CREATED, history_id, item, host, content)
    yield outgoing_event(CHANGED, history_id, item, host, content)
    if item["previous"] == "downloadable":
        yield outgoing_event(REVOKED, history_id, item, host, content)


def regeneration_finished(report: Mapping[str, Any], execution: str, host: str) -> Outgoing:
    """Return the event that a bulk run has ended; of each execution of it, the same event every time."""
    counts = report["plan"]["counts"] if report["plan"] else {"changes": 0, "revocations": 0}
    data = {
        "id": report["id"],
        "state": report["state"],
        "purpose": report["purpose"],
        "course_runs": report["course_runs"],
        "requested_by": report["by"],
        "approved_by": report["approval"]["by"] if report["approval"] else "",
        "notes": report["reason"],
        "plan": report["plan"]["hash"] if report["plan"] else "",
        "changes": counts["changes"],
        "revocations": counts["revocations"],
        **report["outcome"],
    }
    return outgoing_event(REGENERATED, execution, {"at": report["finished_at"]}, host, {"regeneration": data})


def comparison_finished(report: Mapping[str, Any], counts: Mapping[str, Any], execution: str, host: str) -> Outgoing:
    """Return the event that course runs were compared; of each execution, the same event every time."""
    scope = {name: report[name] for name in ("id", "state", "course_runs")}
    data = {**scope, "requested_by": report["by"], "notes": report["reason"], **counts}
    return outgoing_event(COMPARED, execution, {"at": report["finished_at"]}, host, {"comparison": data})


def reconciliation_finished(outcome: Mapping[str, Any], host: str) -> Outgoing:
    """Return the event that a reconciliation has ended; of each, the same event every time."""
    return outgoing_event(RECONCILED, outcome["run"], {"at": outcome["finished_at"]}, host, {"reconciliation": outcome})


def outgoing_event(
    event_type: str, history_id: str, item: Mapping[str, Any], host: str, content: Mapping[str, Any]
) -> Outgoing:
    """Return an event; its id follows from its place (`history_id`), its type, and what changed (`item`)."""
    content_key = ":".join(str(item.get(name)) for name in ("at", "previous", "status", "cause"))
    detail = {
        "metadata": {
            "id": str(uuid5(NAMESPACE_URL, f"{OWN_SOURCE}:{history_id}:{event_type}:{content_key}")),
            "event_type": event_type,
            "minorversion": 0,
            "time": item["at"].replace("Z", "+00:00"),
            "source": OWN_SOURCE,
            "sourcehost": host,
            "sourcelib": SOURCELIB,
        },
        **content,
    }
    return Outgoing(event_type, msgspec.json.encode(detail).decode())


def _published_as(item: Mapping[str, Any], history_id: str) -> dict[str, Any]:
    """Return what the platform's data has no field for: the certificate's id and dates, and its place in history."""
    certificate = item["certificate"]
    number = history_id.rpartition("#")[2]
    return {
        "certificate_id": certificate["id"],
        "issued_at": certificate["issued_at"],
        "first_issued_at": certificate["first_issued_at"],
        "number": int(number) if number.isdecimal() else 0,
    }


def _decision(item: Mapping[str, Any], published_as: Mapping[str, Any] = MappingProxyType({})) -> dict[str, Any]:
    """Return what led to it, as it stands beside the platform's data."""
    return {
        "decision": {
            "cause": item["cause"],
            "reasons": item["decision"]["unmet"],
            "policy_version": item["decision"]["policy"],
            "by": item.get("by", ""),
            "reason": item.get("reason", ""),
            **published_as,
        }
    }


def _certificate(item: Mapping[str, Any], certificate_url: str) -> dict[str, Any]:
    """Return the platform's CertificateData, without personal data."""
    certificate = item["certificate"]
    return {
        "user": user_data(item["learner_id"]),
        "course": {"course_key": item["course_run"], "display_name": "", "start": None, "end": None},
        "mode": certificate["mode"],
        "grade": certificate["grade"],
        "download_url": certificate_url + certificate["id"],
        "name": "",
        "current_status": item["status"],
        "previous_status": item["previous"] or "",
    }


def user_data(learner_id: int) -> dict[str, Any]:
    """Return the platform's UserData. Personal data stays out: its strings are empty."""
    return {"id": learner_id, "is_active": True, "pii": {"username": "", "email": "", "name": ""}}


def _held(item: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "learner_id": item["learner_id"],
        "course_key": item["course_run"],
        "certificate_id": item["certificate"]["id"],
        "cause": item["cause"],
        "since": item["at"],
    }

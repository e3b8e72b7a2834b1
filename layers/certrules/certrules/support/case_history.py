"""What was published of a case, and what a ticket asks for: now, or as of an instant (UTC)."""

from datetime import datetime
from typing import Any, NamedTuple

import msgspec

from certrules import storage
from certrules.core.explain.explanation import Explanation
from certrules.core.fact_types import Enrollment, Fact
from certrules.core.facts import CertificateInvalidation, invalidations
from certrules.core.terms import Status
from certrules.core.timeline import Timeline, at_instant
from certrules.formats.stored import as_time
from certrules.storage import Pair


class Published(NamedTuple):
    """A change that was published, or a revocation that was held."""

    at: datetime  # UTC: since when it is true
    kind: str  # "transition" or "held"
    previous: str | None
    status: str
    cause: str
    by: str
    reason: str
    reasons: tuple[str, ...]
    policy: str
    published_at: datetime | None  # UTC: when the bus accepted its events; None: not yet
    published_as: tuple[str, ...]
    certificate_id: str

    def was_published(self, as_of: datetime | None) -> bool:
        """Whether an observer at an instant (None: now, who sees also what waits for the bus) saw it."""
        return as_of is None or (self.published_at is not None and self.published_at <= as_of)

    def as_json(self) -> dict[str, Any]:
        """Return it as the API answers it."""
        body = self._asdict()
        del body["certificate_id"]
        return {
            **body,
            "at": as_time(self.at),
            "reasons": list(self.reasons),
            "published_at": as_time(self.published_at),
            "published_as": list(self.published_as),
        }


def history_until(pair: Pair, as_of: datetime | None) -> list[Published]:
    """Return the history up to an instant (None: all), oldest first, whenever it was published."""
    receipts = storage.receipts_of(pair)
    found = []
    for key, body in storage.history_of(pair):
        item = msgspec.json.decode(body)
        if item["kind"] == "tripped":
            continue
        receipt = msgspec.json.decode(receipts[key]) if key in receipts else {"at": None, "events": []}
        at = datetime.fromisoformat(item["at"])
        if as_of is not None and at > as_of:
            continue
        found.append(
            Published(
                at=at,
                kind=item["kind"],
                previous=item.get("previous"),
                status=item["certificate"]["status"],
                cause=item["cause"],
                by=item.get("by", ""),
                reason=item.get("reason", ""),
                reasons=tuple(item["decision"]["unmet"]),
                policy=item["decision"]["policy"],
                published_at=None if receipt["at"] is None else datetime.fromisoformat(receipt["at"]),
                published_as=tuple(receipt["events"]),
                certificate_id=item["certificate"]["id"],
            )
        )
    return found


def with_its_id(explanation: Explanation, history: list[Published]) -> Explanation:
    """Return an explanation whose certificate has the id under which it was last published, if it has none."""
    certificate = explanation.certificate
    if certificate is None or certificate.certificate_id:
        return explanation
    published = [item.certificate_id for item in history if item.certificate_id]
    return explanation._replace(certificate=certificate._replace(certificate_id=published[-1] if published else ""))


def ticket_fields(
    timeline: Timeline, explanation: Explanation, history: list[Published], certificate_url: str
) -> dict[str, Any]:
    """Return what support would otherwise collect by hand, as of the instant explained."""
    values = values_at(timeline, explanation.as_of)
    certificate = explanation.certificate
    enrollment: Enrollment | None = values.get((Fact.ENROLLMENT, ""))
    changes = [item for item in history if item.kind == "transition"]
    awards = [item.at for item in changes if item.status == Status.DOWNLOADABLE]
    actors = [item.by for item in changes if item.by]
    return {
        "kind": "course certificate",
        "course_run": explanation.course_run,
        "learner_id": explanation.learner_id,
        "mode": certificate.mode if certificate else None,
        "enrollment_mode": enrollment.mode if enrollment else None,
        "grade": certificate.grade if certificate else None,
        "url": certificate_url + certificate.certificate_id if certificate and certificate.certificate_id else None,
        "certificate_id": (certificate.certificate_id or None) if certificate else None,
        "generated_at": as_time(certificate.first_issued_at) if certificate else None,
        "issued_at": as_time(certificate.issued_at) if certificate else None,
        "regenerated_at": as_time(awards[-1]) if len(awards) > 1 else None,
        "last_changed_by": actors[-1] if actors else None,
        "pacing": _PACING[values.get((Fact.COURSE_RUN, "self_paced"))],
        "display_behavior": values.get((Fact.COURSE_RUN, "display_behavior")),
    }


_PACING = {True: "self-paced", False: "instructor-paced", None: None}


def values_at(timeline: Timeline, as_of: datetime) -> dict[tuple[Fact, str], Any]:
    """Return what held at an instant (UTC), by fact and subject."""
    return {line: entry.value for line, entry in at_instant(timeline, as_of).items()}


def invalidations_until(timeline: Timeline, as_of: datetime | None) -> list[dict[str, Any]]:
    """Return the invalidations, active or lifted, as of an instant (None: all)."""
    known = tuple(entry for entry in timeline if as_of is None or entry.at <= as_of)
    return [invalidation_as_json(item) for item in invalidations(known)]


def invalidation_as_json(item: CertificateInvalidation) -> dict[str, Any]:
    """Return an invalidation as JSON has it."""
    return {
        "origin": item.exam or "person",
        "at": as_time(item.at),
        "by": item.by,
        "notes": item.notes,
        "lifted_at": as_time(item.lifted_at),
        "lifted_by": item.lifted_by,
    }

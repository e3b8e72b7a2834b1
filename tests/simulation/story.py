"""What happens on the platform in one history: events about a few learners in a few course runs."""

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from typing import Any, NamedTuple
from uuid import NAMESPACE_OID, UUID, uuid5

from certrules.storage import Pair
from certs.sources import event_builders as builders
from certs.sources.event_builders import Detail
from tests.simulation.chances import Chances

FIRST = datetime(2026, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
ACTOR = {"by": "ada", "notes": "ticket 12"}
EXAM = "block-v1:CertX+CS101+2026+type@sequential+block@final"

GAPS = (
    timedelta(minutes=20),
    timedelta(0),
    timedelta(seconds=1),
    timedelta(minutes=1),
    timedelta(minutes=61),
    timedelta(hours=9),
)
LATE = (*[timedelta(0)] * 6, timedelta(seconds=-50), timedelta(minutes=30), timedelta(hours=2), timedelta(days=1))
"""How long before it is sent an event became true; negative: by a producer whose clock is ahead."""


class Reported(NamedTuple):
    """An event of the platform, as the bus puts it on the queue."""

    kind: str
    pair: Pair
    at: datetime  # UTC: when it became true
    sent_at: datetime  # UTC
    body: str


type Build = Callable[[UUID, datetime, Pair], Detail]


def _act(build: Callable[..., Detail], event: str, **content: Any) -> Build:
    return lambda event_id, at, pair: build(event, event_id, at, *pair, **content)


def _passing(event_id: UUID, at: datetime, pair: Pair, *, is_passing: bool = True) -> Detail:
    return builders.passing_status("course.passing.status.updated", event_id, at, *pair, is_passing=is_passing)


def _failing(event_id: UUID, at: datetime, pair: Pair) -> Detail:
    return _passing(event_id, at, pair, is_passing=False)


def _verified(event_id: UUID, at: datetime, pair: Pair, expires: datetime | None = None) -> Detail:
    return builders.idv_attempt("idv_attempt.approved", event_id, at, pair.learner_id, attempt_id=1, expires=expires)


def _verified_for_an_hour(event_id: UUID, at: datetime, pair: Pair) -> Detail:
    return _verified(event_id, at, pair, at + HOUR)


def _denied(event_id: UUID, at: datetime, pair: Pair) -> Detail:
    return builders.idv_attempt("idv_attempt.denied", event_id, at, pair.learner_id, attempt_id=1, expires=None)


def _configured(**settings: Any) -> Build:
    return lambda event_id, at, pair: builders.configuration(
        "course_run.configured", event_id, at, pair.course_run, **settings
    )


def _recorded(event_id: UUID, at: datetime, pair: Pair) -> Detail:
    created = at - HOUR
    return builders.recorded_certificate(
        "recorded",
        event_id,
        at,
        *pair,
        status="downloadable",
        mode="verified",
        grade="0.8",
        certificate_id=uuid5(NAMESPACE_OID, str(pair)),  # the platform's row keeps its id
        created=created,
        modified=created,
    )


QUALIFYING: Mapping[str, Build] = {
    "course run configured": _configured(web_certificates_enabled=True),
    "enrolled": _act(builders.enrollment, "course.enrollment.created", mode="verified"),
    "ID verified": _verified,
    "passing": _passing,
}

KINDS: Mapping[str, Build] = {
    **QUALIFYING,
    "failing": _failing,
    "graded": _act(builders.grade_summary, "course.persistent_grade_summary.changed", percent=0.8, letter="Pass"),
    "unenrolled": _act(builders.enrollment, "course.unenrollment.completed", mode="verified"),
    "in audit mode": _act(builders.enrollment, "course.enrollment.changed", mode="audit"),
    "ID verified for an hour": _verified_for_an_hour,
    "ID denied": _denied,
    "certificates off": _configured(web_certificates_enabled=False),
    "end set": _configured(end=FIRST),
    "invalidated": _act(builders.invalidation, "invalidation.created", **ACTOR),
    "invalidation lifted": _act(builders.invalidation, "invalidation.lifted", **ACTOR),
    "exam rejected": _act(builders.exam_attempt, "exam.attempt.rejected", usage_key=EXAM),
    "exam verified": _act(builders.exam_attempt, "exam.attempt.verified", usage_key=EXAM),
    "allowlisted": _act(builders.allowlist, "allowlist.entry.added", **ACTOR),
    "off the allowlist": _act(builders.allowlist, "allowlist.entry.removed", **ACTOR),
    "date overridden": _act(builders.date_override, "date_override.set", date=FIRST, **ACTOR),
    "requested": _act(builders.generation_request, "generation.requested", **ACTOR),
    "fall released": _act(builders.revocation, "revocation.released", cause="grade_fell", **ACTOR),
    "fall discarded": _act(builders.revocation, "revocation.discarded", cause="grade_fell", **ACTOR),
    "held one released": _act(builders.revocation, "revocation.released", cause="never_earned", **ACTOR),
    "recorded by the old logic": _recorded,
}

_SLOW = {"course run configured", "certificates off", "end set"}
"""Kinds that decide whole course runs again: seldom, since that takes long."""

_WEIGHTED = (*["passing"] * 12, *["failing"] * 14, *KINDS, *(kind for kind in KINDS if kind not in _SLOW))
"""What is drawn from: mostly what awards and what takes away."""

MALFORMED = "not an event"


def story_of(chances: Chances, seed: int) -> list[Reported]:
    """Return the events of a history, in the order in which they are sent."""
    learners = [7, 8][: 1 + chances.number("more learners", 2)]
    course_runs = ["course-v1:CertX+CS101+2026", "course-v1:CertX+CS102+2026"][: 1 + chances.number("more runs", 2)]
    pairs = [Pair(learner, course_run) for course_run in course_runs for learner in learners]
    kinds = [
        (kind, pair)
        for pair in pairs
        for kind in QUALIFYING
        if _is_first(kind, pair, pairs) and not chances.happens(f"without {kind}, {pair}", 9)
    ]
    kinds = chances.order("who qualifies when", kinds)
    more = chances.number("more events", 18)
    kinds += [
        (chances.among(f"event {number}", _WEIGHTED), chances.among(f"event {number}: whose", pairs))
        for number in range(len(kinds), len(kinds) + more)
    ]
    reported, now = [], FIRST + timedelta(days=2)
    for number, (kind, pair) in enumerate(kinds):
        now += chances.among(f"event {number}: after", GAPS)
        at = now - chances.among(f"event {number}: late by", LATE)
        event_id = UUID(bytes=blake2b(f"{seed} event {number}".encode(), digest_size=16).digest(), version=4)
        detail = KINDS[kind](event_id, at, pair)
        reported.append(Reported(kind, pair, at, now, _body(detail, now)))
        if chances.happens(f"malformed after event {number}", 40):
            reported.append(Reported(MALFORMED, pair, now, now, f"{{{number}"))
    return reported


def _is_first(kind: str, pair: Pair, pairs: list[Pair]) -> bool:
    """Whether this pair is the first of those about whom one event of this kind is: a learner, or a course run."""
    if kind == "ID verified":
        return pair == next(other for other in pairs if other.learner_id == pair.learner_id)
    if kind == "course run configured":
        return pair == next(other for other in pairs if other.course_run == pair.course_run)
    return True


def _body(detail: Detail, sent_at: datetime) -> str:
    return json.dumps({**builders.envelope(detail), "time": sent_at.isoformat()})

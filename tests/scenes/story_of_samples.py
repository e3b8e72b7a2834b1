"""The sample events, made by the builders: learner 42 in one course run, up to the certificate.

`python -m tests.scenes.story_of_samples` writes them to events/; a test holds that they are what stands there.
"""

import json
from collections.abc import Iterator, Mapping
from copy import deepcopy
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, UUID, uuid5

from certrules.formats.events_in import MAX_BYTES
from certrules.formats.messages import OWN_SOURCE
from certrules.formats.refusals import Reason
from certs.sources import event_builders
from certs.sources.event_builders import Detail
from certs.sources.program_builder import program, program_revocation

EVENTS = Path(__file__).resolve().parents[2] / "events"
PARKED = EVENTS / "parked"

LEARNER = 42
COURSE_RUN = "course-v1:DemoX+CS101+2026_T1"
PROGRAM = "8a1b2c3d-6c1f-4c55-9d5e-2b7a1e4f0c11"
CCX = "ccx-v1:DemoX+CS101+2026_T1+ccx@7"
FINAL_EXAM = "block-v1:DemoX+CS101+2026_T1+type@sequential+block@final_exam"
CERTIFICATE_ID = UUID("4f0e1c5e-5b0a-4c39-9d0c-6f2d1b7a8e42")
REPORTED_BY = datetime(2026, 8, 1, tzinfo=UTC)
"""When all of it has happened."""


def story() -> Iterator[Detail]:
    """Return the events, each once, in the order of their times."""
    where = (LEARNER, COURSE_RUN)
    yield event_builders.configuration(
        *_at("course_run.configured", "2025-12-01T09:00"),
        COURSE_RUN,
        web_certificates_enabled=True,
        display_behavior="end_with_date",
        available_date=datetime(2026, 6, 8, tzinfo=UTC),
        end=datetime(2026, 5, 29, 22, tzinfo=UTC),
        self_paced=False,
        policy="edx-2021",
        rollout="live",
    )
    yield program(
        *_at("program.configured", "2025-12-02T09:00"),
        PROGRAM,
        {
            "DemoX+CS101": [COURSE_RUN, "course-v1:DemoX+CS101+2026_T3"],
            "DemoX+CS102": ["course-v1:DemoX+CS102+2026_T3"],
        },
        title="Computer Science",
        accepted_modes=["verified", "professional"],
    )
    yield event_builders.learner(
        *_at("learner.named", "2026-01-10T12:00"), LEARNER, username="learner42", name="Learner Forty-Two"
    )
    yield event_builders.enrollment(*_at("course.enrollment.created", "2026-01-10T12:01"), *where, mode="audit")
    yield event_builders.course_access_role(*_at("user.course_access_role.added", "2026-01-12T08:00"), *where)
    yield event_builders.course_access_role(*_at("user.course_access_role.removed", "2026-01-19T08:00"), *where)
    yield event_builders.enrollment(
        *_at("course.enrollment.changed", "2026-01-20T17:30"),
        *where,
        mode="verified",
        created=datetime(2026, 1, 10, 12, 1, tzinfo=UTC),
    )
    yield event_builders.idv_attempt(*_at("idv_attempt.denied", "2026-01-21T09:00"), LEARNER, attempt_id=7)
    yield event_builders.idv_attempt(
        *_at("idv_attempt.approved", "2026-01-22T09:00"),
        LEARNER,
        attempt_id=8,
        expires=datetime(2028, 1, 22, 9, tzinfo=UTC),
    )
    for outcome, time in (("approved", "2026-01-23T09:00"), ("denied", "2026-01-24T09:00")):
        yield event_builders.id_verification(
            *_at(f"id_verification.{outcome}", time),
            LEARNER,
            kind="manual",
            attempt="8",
            expires=datetime(2027, 1, 23, 9, tzinfo=UTC),
            by="support",
            notes="Passport seen in person." if outcome == "approved" else "The passport was another learner's.",
        )
    yield event_builders.passing_status(
        *_at("ccx.course.passing.status.updated", "2026-04-20T15:00"), LEARNER, CCX, is_passing=True
    )
    # A lab lost the points of some learners: the allowlist carries them until it has graded again.
    yield event_builders.allowlist(
        *_at("allowlist.entry.added", "2026-05-11T12:00"),
        *where,
        by="support",
        notes="Lab 3 lost its points.",
    )
    yield _old_certificate("certificate.created", "2026-05-11T12:00:05", status="downloadable")
    yield event_builders.recorded_certificate(
        *_at("recorded", "2026-05-12T06:00"),
        *where,
        status="downloadable",
        mode="verified",
        grade="0.84",
        certificate_id=CERTIFICATE_ID,
        created=datetime(2026, 5, 11, 12, 0, 5, tzinfo=UTC),
        modified=datetime(2026, 5, 11, 12, 0, 5, tzinfo=UTC),
    )
    yield event_builders.grade_summary(
        *_at("course.persistent_grade_summary.changed", "2026-05-18T10:00"),
        *where,
        percent=0.84,
        letter="Pass",
    )
    yield event_builders.passing_status(
        *_at("course.passing.status.updated", "2026-05-18T10:00:01"), *where, is_passing=True
    )
    yield event_builders.allowlist(
        *_at("allowlist.entry.removed", "2026-05-19T12:00"), *where, by="support", notes="Lab 3 is graded."
    )
    # The final exam is in doubt; it is taken once more.
    yield event_builders.exam_attempt(*_at("exam.attempt.rejected", "2026-05-20T12:00"), *where, usage_key=FINAL_EXAM)
    yield _old_certificate("certificate.revoked", "2026-05-20T12:00:05", status="unavailable", previous="downloadable")
    yield event_builders.exam_attempt(*_at("exam.attempt.reset", "2026-05-21T09:00"), *where, usage_key=FINAL_EXAM)
    yield event_builders.exam_attempt(*_at("exam.attempt.verified", "2026-05-22T12:00"), *where, usage_key=FINAL_EXAM)
    yield _old_certificate("certificate.changed", "2026-05-22T12:00:05", status="downloadable", previous="unavailable")
    yield event_builders.enrollment(
        *_at("course.unenrollment.completed", "2026-06-05T20:00"),
        *where,
        mode="verified",
        created=datetime(2026, 1, 10, 12, 1, tzinfo=UTC),
    )
    yield event_builders.invalidation(
        *_at("invalidation.created", "2026-06-10T09:00"),
        *where,
        by="support",
        notes="Reported for plagiarism.",
    )
    yield event_builders.invalidation(
        *_at("invalidation.lifted", "2026-06-12T09:00"),
        *where,
        by="support",
        notes="The report was unfounded.",
    )
    yield event_builders.date_override(
        *_at("date_override.set", "2026-06-15T09:00"),
        *where,
        by="support",
        notes="The employer counts from the end of the course.",
        date=datetime(2026, 5, 29, tzinfo=UTC),
    )
    yield event_builders.date_override(
        *_at("date_override.removed", "2026-06-16T09:00"), *where, by="support", notes="Set by mistake."
    )
    yield event_builders.generation_request(
        *_at("generation.requested", "2026-06-17T09:00"),
        *where,
        by="support",
        notes="Asked for by the learner.",
    )
    switch: dict[str, Any] = {"by": "operator", "notes": "The grading job is being mended."}
    yield event_builders.automatic_revocations(
        *_at("automatic_revocations.stopped", "2026-06-18T09:00"), COURSE_RUN, **switch
    )
    for phrase, time in (
        ("held", "2026-06-18T09:30"),
        ("discarded", "2026-06-18T10:00"),
        ("released", "2026-06-18T11:00"),
    ):
        yield event_builders.revocation(
            *_at(f"revocation.{phrase}", time),
            *where,
            cause="grade_fell",
            by="system:kill-switch" if phrase == "held" else "support",
            notes="The grading job was broken." if phrase == "discarded" else "",
        )
    yield event_builders.automatic_revocations(
        *_at("automatic_revocations.resumed", "2026-06-18T12:00"), COURSE_RUN, **switch
    )
    for phrase, time in (
        ("held", "2026-06-20T09:30"),
        ("discarded", "2026-06-20T10:00"),
        ("released", "2026-06-20T11:00"),
    ):
        yield program_revocation(
            *_at(f"program.revocation.{phrase}", time),
            LEARNER,
            PROGRAM,
            cause="course_lost" if phrase == "held" else "definition_changed",
            by="support",
            notes="The course is moving to another program." if phrase == "discarded" else "",
        )
    yield event_builders.learner(*_at("learner.renamed", "2026-06-30T09:00"), LEARNER, username="learner-42")
    yield event_builders.learner(*_at("learner.erased", "2026-07-01T09:00"), LEARNER)


def _at(event: Any, time: str) -> tuple[Any, UUID, datetime]:
    """Return what each builder starts with: the event, an id of its own, and its time (UTC)."""
    return event, uuid5(NAMESPACE_URL, f"{COURSE_RUN}/{event}"), datetime.fromisoformat(f"{time}Z")


def _old_certificate(event: str, time: str, *, status: str, previous: str = "") -> Detail:
    return event_builders.certificate(
        *_at(event, time),
        LEARNER,
        COURSE_RUN,
        mode="verified",
        grade="0.84",
        status=status,
        previous_status=previous,
        certificate_id=CERTIFICATE_ID,
    )


def samples() -> Mapping[str, str]:
    """Return the text of each sample by the name of its file."""
    return {f"{name(detail)}.json": _text(delivered(detail)) for detail in story()}


def name(detail: Detail) -> str:
    """Return the short name of an event: its type without prefix and version."""
    phrases = detail["metadata"]["event_type"].replace("_", ".").split(".")[:-1]
    left_out = {"org", "openedx", "learning", "course", "user", "certificates"}
    if "role" in phrases or "run" in phrases:
        left_out.remove("course")
    return "-".join(phrase for phrase in phrases if phrase not in left_out)


def delivered(detail: Detail) -> Detail:
    """Wrap a detail as EventBridge delivers it to a queue, and give it more fields than are read."""
    detail = deepcopy(detail)
    metadata = detail["metadata"]
    for content in detail.values():
        course = content.get("course", {})
        if "display_name" in course:
            course |= {"display_name": "Computer Science 101", "start": "2026-01-12T08:00:00+00:00"}
            course |= {"end": "2026-05-29T22:00:00+00:00"}
    sent_at = datetime.fromisoformat(metadata["time"]) + timedelta(seconds=1)
    return {
        "version": "0",
        "id": str(uuid5(NAMESPACE_URL, f"delivered/{metadata['id']}")),
        "detail-type": metadata["event_type"],
        "source": metadata["source"],
        "account": "123456789012",
        "time": sent_at.isoformat().replace("+00:00", "Z"),
        "region": "eu-west-1",
        "resources": [],
        "detail": detail,
    }


def _text(event: Detail) -> str:
    return json.dumps(event, indent=2) + "\n"


# --- what is parked


def parked() -> Mapping[Reason, str]:
    """Return a body that is refused for each reason but a full timeline: that takes thousands of events."""
    reported = {name(detail): detail for detail in story()}
    enrolled, graded, listed = (
        delivered(reported[sample])
        for sample in ("enrollment-created", "persistent-grade-summary-changed", "allowlist-entry-added")
    )
    submitted = json.dumps(delivered(reported["exam-attempt-verified"])).replace("verified.v1", "submitted.v1")
    without_learner = _changed(enrolled, {}, "enrollment", "user")
    return {
        Reason.TOO_LARGE: _text(_changed(listed, "-" * MAX_BYTES, "entry", "notes")),
        Reason.NOT_JSON: _text(enrolled)[:-100],
        Reason.MISSING_FIELD: _text(without_learner),
        Reason.WRONG_TYPE: _text(_changed(enrolled, str(LEARNER), "enrollment", "user", "id")),
        Reason.BAD_VALUE: _text(_changed(enrolled, "None", "enrollment", "mode")),
        Reason.WRONG_FORM: _text({"name": "edx.course.grade.now_passed", "event_source": "server", "event": {}}),
        Reason.UNKNOWN_TYPE: _text(json.loads(submitted)),
        Reason.UNKNOWN_VERSION: _text(json.loads(json.dumps(enrolled).replace("created.v1", "created.v2"))),
        Reason.TYPE_MISMATCH: _text(enrolled | {"detail-type": graded["detail-type"]}),
        Reason.NAIVE_TIME: _text(_changed(enrolled, "2026-01-10T12:01:00", "metadata", "time")),
        Reason.FUTURE_TIME: _text(_changed(enrolled, "2926-01-10T12:01:00+00:00", "metadata", "time")),
        Reason.SOURCE_NOT_TRUSTED: _text(_changed(listed, OWN_SOURCE, "metadata", "source")),
        Reason.BAD_COURSE_KEY: _text(_changed(enrolled, "DemoX CS101", "enrollment", "course", "course_key")),
    }


def _changed(event: Detail, value: object, *path: str) -> Detail:
    changed = deepcopy(event)
    inner = changed["detail"]
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    return changed


def files() -> Mapping[Path, str]:
    """Return the text of each file of events/."""
    return {EVENTS / file: text for file, text in samples().items()} | {
        PARKED / f"{reason.replace('_', '-')}.json": text for reason, text in parked().items()
    }


if __name__ == "__main__":
    PARKED.mkdir(parents=True, exist_ok=True)
    for file, text in files().items():
        file.write_text(text)

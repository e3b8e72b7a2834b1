"""A case that is exported from production and replayed on a laptop: the same decision, or the reason why not."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from certrules.core.fact_types import Fact
from certrules.core.facts import Record
from certrules.core.timeline import CAPACITY, Entry, merge
from certrules.formats.record_as_events import events_from
from certrules.formats.refusals import EARLIEST
from certrules.formats.stored import as_time
from certs.sources.event_builders import Detail
from certs.stacks import NOTE
from tests.scenes.commands import certs
from tests.scenes.histories import deliveries, entries
from tests.scenes.scene import ACTOR, Learner, Scene, day
from tests.scenes.support_commands import address, may

__all__ = ["address"]

NUMBERS = iter(range(700_001, 800_000))


def own(learner: Learner, kind: str, key: str, at: datetime, **more: object) -> Detail:
    """Return an event of the service's own about a learner."""
    stated = {"learner_id": learner.learner_id, "course_key": learner.course_run, **ACTOR, **more}
    metadata = {"id": f"{kind}-{at:%j%H}", "event_type": f"certificates.{kind}.v1", "time": as_time(at)}
    return of_platform({"metadata": metadata, key: stated})


def of_platform(detail: Detail) -> Detail:
    """Return an event as a source of the platform that may act for people sends it."""
    return {**detail, "metadata": {**detail["metadata"], "source": "openedx/lms/web"}}


def exam(learner: Learner, phrase: str, at: datetime) -> Detail:
    """Report a proctored exam."""
    record = Record(learner.learner_id, learner.course_run, (Entry(at, phrase, Fact.INVALIDATION, "final", True),))
    (detail,) = events_from(record)
    kind = detail["metadata"]["event_type"].replace("rejected", phrase)
    return of_platform({**detail, "metadata": {**detail["metadata"], "event_type": kind}})


def recorded(learner: Learner, status: str, at: datetime) -> Detail:
    """Report what the old logic has."""
    return own(learner, "recorded", "certificate", at, status=status, mode="verified", grade="0.8")


def replayed(learner: Learner, folder: Path) -> tuple[Any, str]:
    """Export a case and replay it, both from the command line: the line, and what was printed about a difference."""
    exported = certs("export-case", str(learner.learner_id), learner.course_run, folder / "case.jsonl")
    assert exported.exit_code == 0, exported.output
    command = exported.stdout.rpartition("Now: certs ")[2].split()
    result = certs(*command)
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout), exported.stderr


def published(scene: Scene, learner: Learner) -> Any:
    """Return what is published of a learner, as `certs replay` has it."""
    found = scene.stored_record(learner).published
    certificate, pending = found.certificate, found.pending
    return {
        "status": certificate and certificate.status,
        "mode": certificate and (certificate.mode or None),
        "grade": certificate and (certificate.grade or None),
        "issued_at": certificate and as_time(certificate.issued_at),
        "first_issued_at": certificate and as_time(certificate.first_issued_at),
        "transitions": [
            {"at": as_time(mark.at), "status": mark.status, "cause": mark.cause} for mark in found.transitions
        ],
        "pending": pending and {"cause": pending.cause, "since": as_time(pending.since), "due": as_time(pending.due)},
    }


@pytest.fixture
def laptop(scene: Scene, address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder from where the stack is reached."""
    monkeypatch.chdir(tmp_path)
    may(scene, address, ("view",))
    assert NOTE.exists()
    return tmp_path


def cases(learner: Learner) -> dict[str, list[Detail]]:
    """Return histories, each with something of its own."""
    web = {"web_certificates_enabled": True}
    attempts = [
        Entry(day(2), "a", Fact.ID_VERIFICATION, "17", None),
        Entry(EARLIEST, "b", Fact.PASSING, "", False),
    ]
    return {
        "the old logic's words": [
            recorded(learner, "notpassing", day(2)),
            recorded(learner, "downloadable", day(4)),
            *learner.qualifying(),
        ],
        "a course run that went live": [
            learner.configured(day(1), rollout="shadow", **web),
            *learner.qualifying()[1:],
            recorded(learner, "downloadable", day(4)),
            learner.configured(day(6), rollout="live"),
        ],
        "a policy of the course run, and its end": [
            *learner.qualifying(),
            learner.configured(day(4), policy={"preset": "open-edx-idv", "hold_seconds": 60}),
            learner.failing(day(5)),
            learner.configured(day(6), policy=None),
        ],
        "invalidations lifted in parts": [
            *learner.qualifying(),
            exam(learner, "rejected", day(5)),
            learner.invalidated(day(6)),
            exam(learner, "reset", day(7)),
            own(learner, "invalidation.lifted", "invalidation", day(8)),
        ],
        "dates overridden": [
            *learner.qualifying(),
            own(learner, "date_override.set", "override", day(4), date=as_time(day(40))),
            own(learner, "date_override.removed", "override", day(5)),
            own(learner, "date_override.set", "override", day(6), date=as_time(day(50))),
        ],
        "a held revocation that is released": [
            *learner.qualifying(),
            learner.failing(day(5)),
            own(learner, "revocation.held", "revocation", day(5, 1), cause="grade_fell"),
            own(learner, "revocation.released", "revocation", day(6), cause="grade_fell"),
        ],
        "one that is discarded": [
            *learner.qualifying(),
            learner.failing(day(5)),
            own(learner, "revocation.held", "revocation", day(5, 1), cause="grade_fell"),
            own(learner, "revocation.discarded", "revocation", day(6), cause="grade_fell"),
        ],
        "attempts of ID verification, and facts of 1970": [
            *map(of_platform, events_from(Record(learner.learner_id, learner.course_run, merge((), attempts)))),
            *learner.qualifying(),
        ],
        "more than is kept": [
            *learner.qualifying(),
            *(learner.graded(day(4, hours), 0.7) for hours in range(CAPACITY + 30)),
        ],
    }


@pytest.mark.parametrize("name", cases(Learner(1, "course-v1:CertX+CS101+2026")))
def test_a_replay_comes_to_what_is_published(scene: Scene, learner: Learner, laptop: Path, name: str) -> None:
    for detail in sorted(cases(learner)[name], key=lambda detail: str(detail["metadata"]["time"])):
        assert scene.ingest(detail) == {"batchItemFailures": []}
    settle(scene)
    assert scene.queued("ParkedQueue") == []
    line, stated = replayed(learner, laptop)
    assert stated == ""
    assert {**line, **published(scene, learner)} == line
    assert line["transitions"]


def settle(scene: Scene) -> None:
    """Let everything that is due, or was asked for, be decided."""
    for _ in range(3):  # a revocation that was let through may be followed by another
        scene.sweep(datetime.now(UTC))
        scene.ingest(*scene.take("IngestQueue"))


def test_the_export_marks_a_course_run_that_the_old_logic_decides(scene: Scene, learner: Learner, laptop: Path) -> None:
    scene.ingest(learner.configured(day(1), rollout="shadow"), *learner.qualifying()[1:])
    line, stated = replayed(learner, laptop)
    assert line["status"] == "downloadable"
    assert "The old logic decides certificates in this course run (rollout: shadow)" in stated


def test_the_export_marks_a_certificate_that_stays_though_not_earned(
    scene: Scene, learner: Learner, laptop: Path
) -> None:
    scene.ingest(*learner.qualifying())
    scene.ingest(learner.enrolled(day(1, 1), "audit"))
    line, stated = replayed(learner, laptop)
    assert (line["status"], published(scene, learner)["status"]) == (None, "downloadable")
    assert "it is kept and held" in stated


def test_an_attempt_that_a_table_names_is_exported(learner: Learner) -> None:
    named = Entry(EARLIEST, "odd id", Fact.ID_VERIFICATION, "photo:5", None)
    (detail,) = events_from(Record(learner.learner_id, learner.course_run, (named,)))
    assert (detail["id_verification"]["kind"], detail["id_verification"]["attempt"]) == ("photo", "5")


@settings(max_examples=6, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(entries(), st.data())
def test_whatever_happens_an_export_is_replayed_to_the_same_or_shows_why_not(
    scene: Scene, laptop: Path, reported: list[Entry], data: st.DataObject
) -> None:
    number = next(NUMBERS)
    learner = Learner(number, f"course-v1:CertX+CS{number}+2026")
    for batch in data.draw(deliveries(reported)):
        scene.ingest(*map(of_platform, events_from(Record(number, learner.course_run, merge((), batch)))))
    settle(scene)
    line, stated = replayed(learner, laptop)
    here = published(scene, learner)
    if not stated:
        assert all(line[name] == value for name, value in here.items() if name != "transitions")
    else:
        assert any(line[name] != value for name, value in here.items())

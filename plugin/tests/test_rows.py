"""The way back: the service's certificates become the platform's rows, newest state only."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.apps import apps
from django.test import override_settings
from opaque_keys.edx.keys import CourseKey
from openedx_events.learning import signals

from openedx_course_certificates import receiving, rows
from openedx_course_certificates.receiving import ReceivingError, receive
from plugin.tests.both_sides import Platform
from plugin.tests.platform import doings
from plugin.tests.platform.rows import row_of, write_row

ISSUED = datetime(2026, 3, 1, 12, tzinfo=UTC)
ID = "0123456789abcdef0123456789abcdef"


def certificate(learner_id: int, course_run: str, number: int, status: str = "downloadable", **changes: Any) -> Any:
    """Return the detail of an event as the service publishes it."""
    return {
        "metadata": {
            "id": str(uuid4()),
            "event_type": changes.pop("event_type", receiving.CHANGED),
            "time": changes.pop("time", ISSUED.isoformat()),
            "source": changes.pop("source", "course-certificates"),
        },
        "certificate": {
            "user": {"id": learner_id, "is_active": True, "pii": {"username": "", "email": "", "name": ""}},
            "course": {"course_key": course_run, "display_name": "", "start": None, "end": None},
            "mode": "verified",
            "grade": changes.pop("grade", "0.87"),
            "download_url": f"/certificates/{ID}",
            "name": "",
            "current_status": status,
            "previous_status": "",
        },
        "decision": {
            "certificate_id": ID,
            "issued_at": ISSUED.isoformat(),
            "first_issued_at": ISSUED.isoformat(),
            "number": number,
            **changes,
        },
    }


def take(detail: Any) -> None:
    import json

    receive(json.dumps({"detail-type": detail["metadata"]["event_type"], "detail": detail}))


@pytest.fixture
def live(platform: Platform, course_run: str) -> str:
    """A course run that is live, and whose rollout the platform has received."""
    doings.publish_course_run(course_run)
    platform.settle()
    platform.go_live(course_run)
    platform.settle()
    return course_run


def test_a_new_row_has_what_the_service_decided_and_the_name_of_the_profile(learner: Any, live: str) -> None:
    take(certificate(learner.pk, live, 1, grade="0.8765"))

    row = row_of(learner, live)
    assert (row.status, row.mode, row.grade, row.verify_uuid) == ("downloadable", "verified", "0.876", ID)
    assert (row.created_date, row.modified_date) == (ISSUED, ISSUED)
    assert (row.name, row.download_url, row.download_uuid) == (learner.profile.name, "", "")


def test_columns_that_the_service_does_not_decide_stay_as_they_are(learner: Any, live: str) -> None:
    undecided = {"name": "A. Lovelace", "download_url": "https://s3/old.pdf", "download_uuid": "5" * 32, "key": "k"}
    before = write_row(learner, live, status="notpassing", verify_uuid=ID, distinction=True, **undecided)

    take(certificate(learner.pk, live, 1))

    row = row_of(learner, live)
    assert row.pk == before.pk
    assert row.status == "downloadable"
    assert {name: getattr(row, name) for name in undecided} == undecided
    assert row.distinction
    assert row.created_date == ISSUED  # it was made later than it was first issued


def test_an_older_state_never_replaces_a_newer_one_in_whatever_order_events_arrive(learner: Any, live: str) -> None:
    lost = certificate(learner.pk, live, 2, "notpassing", time=(ISSUED + timedelta(days=1)).isoformat())
    earned = certificate(learner.pk, live, 1)

    for detail in (lost, earned, lost, earned, earned):
        take(detail)

    row = row_of(learner, live)
    assert (row.status, row.verify_uuid, row.modified_date) == ("notpassing", ID, ISSUED + timedelta(days=1))
    take(certificate(learner.pk, live, 3))
    assert (row_of(learner, live).status, row_of(learner, live).modified_date) == ("downloadable", ISSUED)


def test_a_learner_whom_the_platform_does_not_know_is_no_success(live: str) -> None:
    with pytest.raises(ReceivingError, match="there is no learner 987654"):
        take(certificate(987654, live, 1))


@pytest.mark.parametrize("field", ["certificate_id", "number", "issued_at"])
def test_an_event_of_a_service_that_is_older_than_the_plugin_is_named(learner: Any, live: str, field: str) -> None:
    detail = certificate(learner.pk, live, 1)
    del detail["decision"][field]

    with pytest.raises(ReceivingError, match=f"its certificate can't be read: KeyError: '{field}'"):
        take(detail)


def test_only_the_service_writes_rows(learner: Any, live: str) -> None:
    take(certificate(learner.pk, live, 1, source="openedx/lms/web"))

    assert row_of(learner, live) is None


def test_each_public_signal_reaches_its_receivers_with_the_learners_name(learner: Any, live: str) -> None:
    received: list[tuple[str, str]] = []

    def note(signal: Any, certificate: Any, **_: Any) -> None:
        received.append((signal.event_type.split(".")[-2], certificate.user.pii.username))

    watched = (signals.CERTIFICATE_CREATED, signals.CERTIFICATE_CHANGED, signals.CERTIFICATE_REVOKED)
    for signal in watched:
        signal.connect(note)
    try:
        for event_type in (receiving.CREATED, receiving.CHANGED):
            take(certificate(learner.pk, live, 1, event_type=event_type))
        for event_type in (receiving.CHANGED, receiving.REVOKED):
            take(certificate(learner.pk, live, 2, "notpassing", event_type=event_type))
    finally:
        for signal in watched:
            signal.disconnect(note)

    names = learner.username
    assert received == [("changed", names), ("created", names), ("changed", names), ("revoked", names)]


def test_where_no_name_is_known_the_signal_is_refused_for_its_receivers_would_take_all_learners_for_one(
    learner: Any, live: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rows, "certificate_model", lambda: None)  # another service than the LMS

    with pytest.raises(ReceivingError, match="it names no username"):
        take(certificate(learner.pk, live, 1))


def test_what_the_old_logic_writes_in_a_live_course_run_is_restored(learner: Any, live: str) -> None:
    take(certificate(learner.pk, live, 1))

    row = row_of(learner, live)
    row.status, row.verify_uuid, row.grade = "notpassing", "", "0.4"
    row.save()

    row = row_of(learner, live)
    assert (row.status, row.verify_uuid, row.grade, row.modified_date) == ("downloadable", ID, "0.87", ISSUED)


def test_a_certificate_that_the_service_adopted_and_never_published_is_restored_too(
    platform: Platform, learner: Any, course_run: str
) -> None:
    doings.publish_course_run(course_run)
    platform.go_live(course_run, "shadow")
    platform.settle()
    write_row(learner, course_run, status="downloadable", grade="0.87", verify_uuid=ID, download_url="https://s3/a.pdf")
    before = row_of(learner, course_run)
    platform.go_live(course_run)
    platform.settle()

    write_row(learner, course_run, status="notpassing", grade="0.1")

    row = row_of(learner, course_run)
    assert (row.status, row.grade, row.verify_uuid, row.download_url) == (
        "downloadable",
        "0.87",
        ID,
        "https://s3/a.pdf",
    )
    assert (row.created_date, row.modified_date) == (before.created_date, before.modified_date)
    take(certificate(learner.pk, course_run, 1, "notpassing", grade="0.1"))
    assert row_of(learner, course_run).status == "notpassing"


def test_what_the_service_sent_before_a_course_run_went_back_to_the_old_logic_is_never_restored(
    platform: Platform, learner: Any, live: str
) -> None:
    take(certificate(learner.pk, live, 1))
    platform.go_live(live, "shadow")
    platform.settle()
    write_row(learner, live, status="notpassing", grade="0.1")
    platform.go_live(live)
    platform.settle()

    write_row(learner, live, status="notpassing", grade="0.2")

    assert row_of(learner, live).status == "notpassing"
    take(certificate(learner.pk, live, 1))
    assert row_of(learner, live).status == "notpassing", "older than what was applied"


@pytest.mark.usefixtures("platform")
def test_a_certificate_in_a_course_run_that_is_not_live_here_is_written_with_a_warning(
    learner: Any, course_run: str, caplog: pytest.LogCaptureFixture
) -> None:
    take(certificate(learner.pk, course_run, 1))

    assert row_of(learner, course_run).status == "downloadable"
    assert "the setting ROLLOUT is not the parameter Rollout of" in caplog.text


def test_an_invalidation_in_the_dashboard_is_not_undone_while_the_service_decides(learner: Any, live: str) -> None:
    take(certificate(learner.pk, live, 1))

    row = row_of(learner, live)
    row.status = "unavailable"
    row.save()

    assert row_of(learner, live).status == "unavailable"


def test_rows_are_not_written_where_a_setting_forbids_it(platform: Platform, learner: Any, live: str) -> None:
    with override_settings(OPENEDX_COURSE_CERTIFICATES=platform.options(WRITE_CERTIFICATES=False)):
        take(certificate(learner.pk, live, 1))

    assert row_of(learner, live) is None


@pytest.mark.usefixtures("database")
def test_the_stand_in_has_the_columns_of_the_platform(shared_columns: dict[str, set[str]]) -> None:
    for model in ("GeneratedCertificate", "CertificateAllowlist", "CertificateInvalidation"):
        stand_in = apps.get_model("certificates", model)
        columns = {field.column for field in stand_in._meta.concrete_fields}
        assert columns == shared_columns[stand_in._meta.db_table]
    overview = apps.get_model("course_overviews", "CourseOverview")
    assert {field.column for field in overview._meta.concrete_fields} <= shared_columns[overview._meta.db_table]


def test_a_key_of_a_course_run_is_that_of_the_platform(course_run: str) -> None:
    assert str(CourseKey.from_string(course_run)) == course_run

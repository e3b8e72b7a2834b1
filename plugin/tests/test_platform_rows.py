"""What has no public event is sent as the platform's rows are saved: after the commit, with who did it."""

from datetime import UTC, datetime
from typing import Any

import crum
import pytest
from django.db import transaction
from opaque_keys.edx.keys import CourseKey

from openedx_course_certificates import sender
from plugin.tests.both_sides import Platform
from plugin.tests.platform import doings
from plugin.tests.platform.rows import write_row

AT = datetime(2026, 5, 1, tzinfo=UTC)


def sent(platform: Platform) -> list[tuple[str, dict[str, Any]]]:
    """Return type and data of what arrived of ours."""
    assert sender.sender().wait(30)
    found = []
    for event in platform.queued(platform.cloud.physical("IngestQueue")):
        detail = event["detail"]
        (key,) = detail.keys() - {"metadata", "transport"}
        assert detail["transport"] == {"topic": "course-certificates", "key": detail[key]["course_key"]}
        found.append((event["detail-type"], detail[key]))
    return found


def test_a_course_run_is_sent_when_it_is_published(platform: Platform, course_run: str) -> None:
    doings.publish_course_run(
        course_run, end=AT, certificates_display_behavior="end_with_date", certificate_available_date=AT
    )

    assert sent(platform) == [
        (
            "certificates.course_run.configured.v1",
            {
                "course_key": course_run,
                "web_certificates_enabled": True,
                "display_behavior": "end_with_date",
                "available_date": AT.isoformat(),
                "end": AT.isoformat(),
                "self_paced": False,
            },
        )
    ]


@pytest.mark.parametrize(
    "changes", [{"certificates_show_before_end": True}, {"certificates_display_behavior": "early_with_info"}]
)
def test_older_settings_of_the_display_are_sent_as_what_they_mean(
    platform: Platform, course_run: str, changes: dict[str, Any]
) -> None:
    doings.publish_course_run(course_run, **changes)

    ((_, data),) = sent(platform)
    assert data["display_behavior"] == "early_no_info"


def test_entries_of_the_allowlist_are_sent_with_who_made_them(
    platform: Platform, learner: Any, course_run: str
) -> None:
    from plugin.tests.platform.certificates.models import CertificateAllowlist

    key = CourseKey.from_string(course_run)
    with crum.impersonate(learner):
        entry = CertificateAllowlist.objects.create(user=learner, course_id=key, allowlist=True, notes="ticket 12")
    entry.allowlist = False
    entry.save()
    entry.delete()  # it was not listed any more

    person = {"learner_id": learner.pk, "course_key": course_run, "by": f"user:{learner.pk}", "notes": "ticket 12"}
    assert sent(platform) == [
        ("certificates.allowlist.entry.added.v1", person),
        ("certificates.allowlist.entry.removed.v1", person | {"by": "system:openedx"}),
    ]
    CertificateAllowlist.objects.create(user=learner, course_id=key, allowlist=True).delete()
    assert [event_type for event_type, _ in sent(platform)][1] == "certificates.allowlist.entry.removed.v1"


def test_invalidations_and_date_overrides_are_sent(platform: Platform, learner: Any, course_run: str) -> None:
    from plugin.tests.platform.certificates.models import CertificateDateOverride, CertificateInvalidation

    row = write_row(learner, course_run, status="downloadable", verify_uuid="1" * 32)
    sent_of_ours(platform)
    invalidation = CertificateInvalidation.objects.create(
        generated_certificate=row, invalidated_by=learner, notes="fraud"
    )
    invalidation.active = False
    invalidation.save()
    override = CertificateDateOverride.objects.create(
        generated_certificate=row, date=AT, reason="ticket 13", overridden_by=learner
    )
    override.delete()

    about = {"learner_id": learner.pk, "course_key": course_run}
    assert sent(platform) == [
        ("certificates.invalidation.created.v1", about | {"by": f"user:{learner.pk}", "notes": "fraud"}),
        ("certificates.invalidation.lifted.v1", about | {"by": "system:openedx", "notes": "fraud"}),
        (
            "certificates.date_override.set.v1",
            about | {"by": f"user:{learner.pk}", "notes": "ticket 13", "date": AT.isoformat()},
        ),
        ("certificates.date_override.removed.v1", about | {"by": "system:openedx", "notes": "ticket 13"}),
    ]


def test_a_certificate_of_the_old_logic_is_sent_unless_the_course_run_is_live(
    platform: Platform, learner: Any, course_run: str
) -> None:
    platform.go_live(course_run, "shadow")
    platform.settle()
    row = write_row(learner, course_run, status="downloadable", grade="0.9", verify_uuid="1" * 32)

    recorded = [data for event_type, data in sent_of_ours(platform) if event_type == "certificates.recorded.v1"]
    assert recorded == [
        {
            "learner_id": learner.pk,
            "course_key": course_run,
            "status": "downloadable",
            "mode": "verified",
            "grade": "0.9",
            "certificate_id": "1" * 32,
            "created": row.created_date.isoformat(),
            "modified": row.modified_date.isoformat(),
        }
    ]

    platform.go_live(course_run)
    platform.settle()
    write_row(learner, course_run, status="notpassing")
    assert [event_type for event_type, _ in sent_of_ours(platform) if event_type == "certificates.recorded.v1"] == []


def sent_of_ours(platform: Platform) -> list[tuple[str, dict[str, Any]]]:
    """Return type and data of what arrived of the service's own types."""
    assert sender.sender().wait(30)
    events = platform.queued(platform.cloud.physical("IngestQueue"))
    return [(event["detail-type"], event["detail"].get("certificate")) for event in events]


def test_rows_of_a_transaction_that_rolls_back_send_nothing(platform: Platform, course_run: str) -> None:
    def publish_and_fail() -> None:
        with transaction.atomic():
            doings.publish_course_run(course_run)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        publish_and_fail()

    assert sent(platform) == []


def test_the_service_understands_all_of_it(platform: Platform, learner: Any, course_run: str) -> None:
    from plugin.tests.platform.certificates.models import (
        CertificateAllowlist,
        CertificateDateOverride,
        CertificateInvalidation,
    )

    doings.publish_course_run(course_run, certificates_display_behavior="end")
    row = write_row(learner, course_run, status="downloadable", grade="0.9", verify_uuid="1" * 32)
    key = CourseKey.from_string(course_run)
    CertificateAllowlist.objects.create(user=learner, course_id=key, allowlist=True).delete()
    CertificateInvalidation.objects.create(generated_certificate=row, invalidated_by=learner).delete()
    CertificateDateOverride.objects.create(
        generated_certificate=row, date=AT, reason="", overridden_by=learner
    ).delete()
    doings.grade(learner, course_run, 0.9, "Pass")

    platform.settle()

    assert platform.queued(platform.cloud.physical("ParkedQueue")) == []

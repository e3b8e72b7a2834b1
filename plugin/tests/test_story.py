"""The loop: signals of the platform, the service's decision, the platform's row."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import transaction
from openedx_events.learning import signals

from plugin.tests.both_sides import Platform
from plugin.tests.platform import doings
from plugin.tests.platform.rows import row_of


def qualify(platform: Platform, learner: Any, course_run: str) -> None:
    """Let the learner earn the certificate in a course run that is live."""
    doings.publish_course_run(course_run)
    platform.settle()
    platform.go_live(course_run)
    doings.enroll(learner, course_run)
    doings.verify(learner)
    doings.pass_course_run(learner, course_run)
    platform.settle()


def test_a_learner_who_enrolls_verifies_and_passes_has_a_certificate_in_the_lms(
    platform: Platform, learner: Any, course_run: str
) -> None:
    qualify(platform, learner, course_run)

    row = row_of(learner, course_run)
    assert (row.status, row.mode, row.name) == ("downloadable", "verified", learner.profile.name)
    assert len(row.verify_uuid) == 32
    assert datetime.now(UTC) - row.modified_date < timedelta(minutes=1)


def test_a_person_who_invalidates_in_the_dashboard_takes_the_certificate_away_and_lifting_brings_it_back(
    platform: Platform, learner: Any, course_run: str
) -> None:
    from plugin.tests.platform.certificates.models import CertificateInvalidation

    qualify(platform, learner, course_run)
    before = row_of(learner, course_run)

    invalidation = CertificateInvalidation.objects.create(
        generated_certificate=before, invalidated_by=learner, notes="ticket 12"
    )
    platform.settle()
    revoked = row_of(learner, course_run)
    assert (revoked.status, revoked.verify_uuid) == ("unavailable", before.verify_uuid)

    invalidation.active = False
    invalidation.save()
    platform.settle()
    again = row_of(learner, course_run)
    assert (again.status, again.verify_uuid, again.modified_date) == (
        "downloadable",
        before.verify_uuid,
        before.modified_date,
    )


def test_a_transaction_that_rolls_back_sends_nothing(platform: Platform, learner: Any, course_run: str) -> None:
    from openedx_course_certificates.sender import sender

    def enroll_and_fail() -> None:
        with transaction.atomic():
            doings.enroll(learner, course_run)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        enroll_and_fail()
    assert sender().wait(30)
    assert platform.queued(platform.cloud.physical("IngestQueue")) == []

    with transaction.atomic():
        doings.enroll(learner, course_run)
        assert sender().wait(30)
        assert platform.queued(platform.cloud.physical("IngestQueue")) == []
    assert sender().wait(30)
    (event,) = platform.queued(platform.cloud.physical("IngestQueue"))
    assert event["detail-type"] == signals.COURSE_ENROLLMENT_CREATED.event_type


def test_an_event_has_topic_and_key_and_no_personal_data(platform: Platform, learner: Any, course_run: str) -> None:
    from openedx_course_certificates.sender import sender

    doings.enroll(learner, course_run)
    doings.verify(learner)
    assert sender().wait(30)

    enrolled, verified = (event["detail"] for event in platform.queued(platform.cloud.physical("IngestQueue")))
    assert enrolled["transport"] == {"topic": "learning-enrollment", "key": course_run}
    assert enrolled["enrollment"]["user"] == {
        "id": learner.pk,
        "is_active": True,
        "pii": {"username": "", "email": "", "name": ""},
    }
    assert enrolled["enrollment"]["course"]["display_name"] == "A course"
    assert enrolled["metadata"]["source"] == "openedx/lms/web"
    assert verified["transport"]["key"] == str(learner.pk)
    assert verified["idv_attempt"]["name"] == ""


def test_nothing_of_a_certificate_that_the_service_decided_comes_back_to_it(
    platform: Platform, learner: Any, course_run: str
) -> None:
    qualify(platform, learner, course_run)

    platform.settle()
    assert platform.queued(platform.cloud.physical("IngestQueue")) == []
    assert platform.queued(platform.cloud.physical("ParkedQueue")) == []

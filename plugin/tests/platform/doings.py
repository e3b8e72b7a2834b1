"""What learners and staff do on the platform: the signals and rows that come of it."""

from datetime import UTC, datetime
from typing import Any

from django.contrib.auth import get_user_model
from opaque_keys.edx.keys import CourseKey
from openedx_events.learning import signals
from openedx_events.learning.data import (
    CourseData,
    CourseEnrollmentData,
    CoursePassingStatusData,
    PersistentCourseGradeData,
    UserData,
    UserPersonalData,
    VerificationAttemptData,
)


def new_learner(username: str = "ada", name: str = "Ada Lovelace") -> Any:
    """Register a learner."""
    from plugin.tests.platform.profiles.models import UserProfile

    learner = get_user_model().objects.create(username=username, email=f"{username}@example.org")
    UserProfile.objects.create(user=learner, name=name)
    return learner


def publish_course_run(key: str, **settings: Any) -> Any:
    """Publish a course run in Studio."""
    from plugin.tests.platform.course_overviews.models import CourseOverview

    return CourseOverview.objects.update_or_create(id=CourseKey.from_string(key), defaults=settings)[0]


def data_of(learner: Any) -> UserData:
    """Return the platform's data of a learner, with everything personal in it."""
    pii = UserPersonalData(username=learner.username, email=learner.email, name=learner.profile.name)
    return UserData(pii=pii, id=learner.pk, is_active=True)


def enroll(learner: Any, key: str, mode: str = "verified") -> None:
    """Enroll the learner."""
    enrollment = CourseEnrollmentData(
        user=data_of(learner),
        course=CourseData(course_key=CourseKey.from_string(key), display_name="A course"),
        mode=mode,
        is_active=True,
        creation_date=datetime.now(UTC),
    )
    signals.COURSE_ENROLLMENT_CREATED.send_event(enrollment=enrollment)


def verify(learner: Any, attempt: int = 1) -> None:
    """Approve the learner's ID verification."""
    data = VerificationAttemptData(
        attempt_id=attempt, user=data_of(learner), status="approved", name=learner.profile.name
    )
    signals.IDV_ATTEMPT_APPROVED.send_event(idv_attempt=data)


def grade(learner: Any, key: str, percent: float, letter: str = "") -> None:
    """Compute the learner's grade."""
    now = datetime.now(UTC)
    course = CourseData(course_key=CourseKey.from_string(key))
    data = PersistentCourseGradeData(
        user_id=learner.pk,
        course=course,
        course_edited_timestamp=now,
        course_version="",
        grading_policy_hash="",
        percent_grade=percent,
        letter_grade=letter,
        passed_timestamp=now,
    )
    signals.PERSISTENT_GRADE_SUMMARY_CHANGED.send_event(grade=data)


def pass_course_run(learner: Any, key: str, *, is_passing: bool = True) -> None:
    """Have the learner pass, or fail."""
    course = CourseData(course_key=CourseKey.from_string(key))
    data = CoursePassingStatusData(is_passing=is_passing, user=data_of(learner), course=course)
    signals.COURSE_PASSING_STATUS_UPDATED.send_event(course_passing_status=data)

"""A course run that an import is the first to name begins in shadow, whatever the deployment's rollout is.

Nothing is published there; going live takes nothing away and issues nothing twice.
"""

from collections.abc import Iterator

import pytest

from certrules import storage
from certrules.core.certificate import Certificate
from certrules.core.rollout import rollout_state
from certrules.core.terms import Rollout, Status
from certs.run import LOCAL_PARAMETERS
from localcloud import LocalCloud
from tests.scenes.platform_tables import COURSE_RUN, Tables, instant
from tests.scenes.scene import OWN_EVENTS, TEMPLATE, Learner, Scene

CERTIFICATES = "certificates_generatedcertificate"
GRADES = "grades_persistentcoursegrade"

#: Learners as the platform has them: status, letter, passed_timestamp, modified_date
PLATFORM = {
    1: ("downloadable", "Pass", "2026-03-01 12:00:00", "2026-03-01 12:00:09"),
    2: ("downloadable", "", None, "2026-03-01 12:00:09"),  # never passed, and yet
    3: ("downloadable", "", "2026-03-01 12:00:00", "2026-03-01 12:00:09"),  # fell, and still has it
    4: ("notpassing", "", "2026-03-01 12:00:00", "2026-03-20 12:00:09"),  # fell, and lost it
    5: ("unverified", "Pass", "2026-03-01 12:00:00", "2026-03-01 12:00:09"),
    6: ("unavailable", "Pass", "2026-03-01 12:00:00", "2026-04-01 08:00:01"),  # invalidated
}


@pytest.fixture(scope="module", params=["off", "shadow", "live"])
def stack(request: pytest.FixtureRequest) -> Iterator[Scene]:
    """The stack, with what its course runs begin with."""
    with LocalCloud(TEMPLATE, {**LOCAL_PARAMETERS, "Rollout": request.param}) as cloud:
        yield Scene(cloud)


def platform(tables: Tables) -> Tables:
    tables.add("course_overviews_courseoverview")
    for learner_id, (status, letter, passed_at, modified) in PLATFORM.items():
        tables.add("student_courseenrollment", user_id=learner_id)
        tables.add(
            GRADES,
            user_id=learner_id,
            letter_grade=letter,
            passed_timestamp=passed_at,
            modified="2026-03-20 12:00:00",
        )
        if learner_id != 5:
            tables.add("verify_student_manualverification", user_id=learner_id, id=learner_id)
        tables.add(
            CERTIFICATES,
            id=learner_id,
            user_id=learner_id,
            status=status,
            verify_uuid=f"{learner_id:032x}",
            modified_date=modified,
        )
    return tables.add("certificates_certificateinvalidation", generated_certificate_id=6)


def decides(learner: Learner) -> tuple[Rollout, str]:
    """Return who decides in a course run, and who set that."""
    timeline = storage.load(course_runs=[learner.course_run]).course_runs[learner.course_run].timeline
    by = [entry.by for entry in timeline if entry.subject == "rollout"]
    return rollout_state(timeline, Rollout.LIVE).rollout, by[-1]


def certificates(stack: Scene) -> dict[int, Certificate]:
    """Return the certificate of each learner; with dates where it is shown with one."""
    found = {}
    for learner_id in PLATFORM:
        certificate = stack.certificate(Learner(learner_id, COURSE_RUN))
        assert certificate is not None
        issued = certificate.status is Status.DOWNLOADABLE
        found[learner_id] = certificate if issued else certificate._replace(issued_at=None, first_issued_at=None)
    return found


def test_every_certificate_is_there_as_the_table_has_it_and_going_live_changes_none(
    stack: Scene, tables: Tables
) -> None:
    stack.take(OWN_EVENTS)  # of other tests
    platform(tables).read().load(stack.cloud)
    stack.cloud.deliver()
    reported_by_import = stack.take(OWN_EVENTS)
    before = certificates(stack)
    for learner_id, certificate in before.items():
        status, *_, modified = PLATFORM[learner_id]
        assert (certificate.status, certificate.certificate_id) == (status, f"{learner_id:032x}"), learner_id
        if certificate.status is Status.DOWNLOADABLE:
            assert certificate.issued_at == instant(modified)
            assert certificate.first_issued_at == instant("2026-03-01 12:00:05")
    assert reported_by_import == []
    learner = Learner(1, COURSE_RUN)
    assert decides(learner) == (Rollout.SHADOW, "system:import")
    stack.send(learner.configured(instant("2026-06-02"), rollout="live"), at=instant("2026-06-02"))
    stack.cloud.deliver(delayed=True)
    stack.cloud.deliver(delayed=True)
    assert certificates(stack) == before
    assert stack.take(OWN_EVENTS) == []


def test_a_certificate_that_going_live_issues_has_the_grade_that_earned_it(stack: Scene, tables: Tables) -> None:
    course_run = "course-v1:CertX+GRADE+2026"
    tables.add("course_overviews_courseoverview", id=course_run)
    tables.add("student_courseenrollment", user_id=9, course_id=course_run)
    tables.add(GRADES, user_id=9, course_id=course_run, percent_grade="0.90")
    tables.add("verify_student_verificationattempt", user_id=9).read().load(stack.cloud, "runs/grade")
    learner = Learner(9, course_run)
    stack.send(learner.configured(instant("2026-06-02"), rollout="live"), at=instant("2026-06-02"))
    stack.cloud.deliver(delayed=True)
    stack.cloud.deliver(delayed=True)
    certificate = stack.certificate(learner)
    assert certificate is not None
    assert (certificate.status, certificate.grade) == (Status.DOWNLOADABLE, "0.9")
    assert certificate.issued_at == instant("2026-03-01 12:00")

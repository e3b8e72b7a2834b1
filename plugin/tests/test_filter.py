"""The old logic generates in course runs that are not live, and where nobody knows."""

from typing import Any

import pytest
from django.db import DatabaseError
from django.test import override_settings

from openedx_course_certificates import rollout
from plugin.tests.both_sides import Platform
from plugin.tests.platform.rows import generates


def test_the_old_logic_generates_unless_the_course_run_is_live(
    platform: Platform, learner: Any, course_run: str
) -> None:
    assert generates(learner, course_run)
    for setting, expected in (("shadow", True), ("live", False), ("shadow", True), ("live", False), ("off", True)):
        platform.go_live(course_run, setting)
        platform.settle()
        assert generates(learner, course_run) is expected


def test_an_older_rollout_never_replaces_a_newer_one(platform: Platform, learner: Any, course_run: str) -> None:
    platform.go_live(course_run)
    data = {"course_run": {"course_key": course_run, "rollout": "shadow"}}
    platform.send(
        "course-certificates/support",
        "certificates.course_run.configured.v1",
        data,
        time="2026-01-01T00:00:00+00:00",
    )
    platform.settle()

    assert not generates(learner, course_run)


def test_where_the_rollout_cannot_be_read_the_old_logic_generates(
    platform: Platform, learner: Any, course_run: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    platform.go_live(course_run)
    platform.settle()

    def fail(**_: object) -> None:
        raise DatabaseError

    from openedx_course_certificates.models import CourseRunRollout

    monkeypatch.setattr(CourseRunRollout.objects, "filter", fail)
    rollout.forget()

    assert generates(learner, course_run)


def test_a_process_remembers_the_rollout_for_a_while_and_a_new_one_counts_at_once_where_it_is_received(
    platform: Platform, learner: Any, course_run: str
) -> None:
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    with override_settings(OPENEDX_COURSE_CERTIFICATES=platform.options(CACHE_SECONDS=60)):
        assert generates(learner, course_run)
        with CaptureQueriesContext(connection) as asked:
            assert generates(learner, course_run)
        assert len(asked) == 0
        platform.go_live(course_run)
        platform.settle()
        assert not generates(learner, course_run)

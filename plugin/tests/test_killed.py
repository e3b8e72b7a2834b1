"""Either side is killed in the middle of its work: nothing is lost, and nothing is doubled on the rows."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from plugin.tests.both_sides import Platform, Stack, comes_true
from plugin.tests.platform import doings
from plugin.tests.platform.rows import row_of

LEARNERS = 16

SENDING = """
import django, time
django.setup()
from django.contrib.auth import get_user_model
from plugin.tests.platform import doings
for learner in get_user_model().objects.filter(pk__in={learners}):
    doings.enroll(learner, {course_run!r})
    doings.verify(learner)
    doings.pass_course_run(learner, {course_run!r})
    print(learner.pk, flush=True)
    time.sleep(0.02)
"""


@pytest.fixture(scope="module")
def clouds(database: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """Both sides for this test alone: what a killed consumer had asked for may still take the message of another."""
    with Stack(PlatformSources="openedx/*") as cloud:
        yield Platform(cloud, database, tmp_path_factory.mktemp("state"))


def test_each_learner_has_one_row_though_both_sides_were_killed_in_the_middle(
    platform: Platform, course_run: str
) -> None:
    doings.publish_course_run(course_run)
    platform.settle()
    platform.go_live(course_run)
    platform.settle()
    platform.allow_tries(50)  # those of a killed consumer count, too
    learners = [doings.new_learner(f"{course_run}-{number}") for number in range(LEARNERS)]

    left = [learner.pk for learner in learners]
    while left:  # the platform is killed each time when half are done; another process goes on
        left = left[send_until_killed(platform, left, course_run) :]
    platform.send_left_behind()
    platform.cloud.deliver()
    for _ in range(20):  # the consumer is killed each time when some are done
        if not platform.waiting():
            break
        consume_until_killed(platform)
    platform.send_left_behind()  # a consumer sends, too, what it finds left behind
    platform.settle()
    assert comes_true(lambda: settled(platform))  # what a killed consumer had received is hidden first

    rows = [row_of(learner, course_run) for learner in learners]
    assert [row.status for row in rows] == ["downloadable"] * LEARNERS
    assert len({row.verify_uuid for row in rows}) == LEARNERS
    assert [type(rows[0]).objects.filter(user=learner).count() for learner in learners] == [1] * LEARNERS
    assert platform.queued(platform.dead_letters) == []
    assert platform.queued(platform.cloud.physical("ParkedQueue")) == []


def settled(platform: Platform) -> bool:
    """Deliver everything that is under way; whether nothing waits any more."""
    platform.settle()
    return not platform.waiting()


def send_until_killed(platform: Platform, learners: list[int], course_run: str) -> int:
    """Have a process send the events of learners, and kill it; return for how many it was done."""
    process = platform.process("-c", SENDING.format(learners=learners, course_run=course_run))
    assert process.stdout is not None
    done = [line for line in process.stdout if line.strip().isdigit() and _kill_at(process, line, learners)]
    process.wait()
    process.stdout.close()
    return len(done)


def _kill_at(process: Any, line: str, learners: list[int]) -> bool:
    if int(line) == learners[min(LEARNERS // 2, len(learners)) - 1]:
        process.kill()
    return True


def consume_until_killed(platform: Platform) -> None:
    """Have a process receive messages, and kill it when some are received."""
    before = platform.waiting()
    process = platform.process(
        "plugin.tests.platform.manage", "consume_events", "-t", "course-certificates", "-g", "platform"
    )
    assert comes_true(lambda: platform.waiting() <= max(before - 12, 0))
    process.kill()
    process.communicate()

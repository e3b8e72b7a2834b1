"""Imports while events arrive, on AWS's own engine: it ends as the events and the import one after the other would."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from pathlib import Path
from random import Random
from threading import Barrier
from typing import Any

import pytest

from certrules import settings, storage
from certrules.core.fact_types import Fact
from certrules.core.terms import Status
from certrules.core.timeline import at_instant
from certrules.formats.messages import Message
from certrules.formats.table_rows import TableRow
from certrules.importing import import_rows
from certrules.storage.tables import Pair
from certs.run import LOCAL_PARAMETERS
from certs.sources.event_builders import envelope
from localcloud import LocalCloud
from tests.scenes.lifecycle_story import NOW, read
from tests.scenes.platform_tables import Tables
from tests.scenes.races import taken_in_wholly
from tests.scenes.scene import TEMPLATE, Learner, Scene, day

LEARNERS = 8
EVENTS, IMPORTS = 6, 3
"""How many writers bring events, and how many import."""

MOMENT = timedelta(milliseconds=3)
"""A row is dated a moment before its event."""


@pytest.fixture(scope="module")
def stack(dynamodb_local: str) -> Iterator[Scene]:
    """The stack, its tables in AWS's own engine."""
    with LocalCloud(TEMPLATE, LOCAL_PARAMETERS, dynamodb_endpoint=dynamodb_local) as cloud:
        scene = Scene(cloud, dynamodb_local)
        with pytest.MonkeyPatch.context() as environment:
            environment.setenv("AWS_ENDPOINT_URL_DYNAMODB", dynamodb_local)
            assert list(storage.history_of(Pair(0, ""))) == []  # makes the connection by which history is read
        yield scene


@pytest.fixture
def scene(stack: Scene) -> Scene:
    """The stack, with nothing in it."""
    stack.empty_queues()
    stack.empty_tables()
    return stack


def learners() -> list[Learner]:
    return [Learner(number, "course-v1:CertX+CS101+2026") for number in range(1, LEARNERS + 1)]


def events_of(learner: Learner) -> list[Message]:
    """Report an upgrade, an award, a fall that took effect, and a second award."""
    reported = [
        learner.configured(day(1)),
        learner.enrolled(day(1, 2), mode="audit"),
        learner.enrolled(day(2), mode="verified"),
        learner.id_approved(day(2)),
        learner.passing(day(3)),
        learner.graded(day(3), 0.8),
        learner.failing(day(5)),
        learner.graded(day(5), 0.4),
        learner.passing(day(8)),
        learner.graded(day(9), 0.9, "Pass"),
    ]
    return [read(envelope(detail)) for detail in reported]


def rows_of(folder: Path) -> list[TableRow]:
    """Return what the platform's tables state of the same learners on day 10."""
    tables = Tables(folder)
    for learner in learners():
        who = {"user_id": learner.learner_id, "course_id": learner.course_run}
        tables.add("student_courseenrollment", **who, created=column(day(1, 2)))
        tables.add(
            "grades_persistentcoursegrade",
            **who,
            passed_timestamp=column(day(3)),
            modified=column(day(9)),
        )
    tables.add("course_overviews_courseoverview", modified=column(day(1)))
    return sorted(tables.read().rows(), key=lambda row: (row.learner_id or 0, row.course_run or ""))


def column(at: datetime) -> str:
    return f"{at - MOMENT:%Y-%m-%d %H:%M:%S.%f}"


def import_(rows: list[TableRow]) -> None:
    """Take rows in until nothing fails."""
    while import_rows(rows, settings.policies(), NOW).failed:
        pass


def ends(scene: Scene) -> list[Any]:
    """Return what is known of each learner in the end, and their certificate but for its id."""
    found = []
    for learner in learners():
        stored_record = scene.stored_record(learner)
        certificate = stored_record.published.certificate
        assert certificate is not None
        known = {line: entry.value for line, entry in at_instant(stored_record.timeline, NOW).items()}
        facts = [known.get((fact, "")) for fact in (Fact.ENROLLMENT, Fact.PASSING, Fact.GRADE)]
        found.append((certificate._replace(certificate_id=""), facts))
    return found


def drain(scene: Scene) -> None:
    """Have everything decided again that the last facts of a course run or learner may change."""
    for learner in learners():
        scene.ingest(learner.requested(day(30)))


@pytest.mark.parametrize("seed", range(3))
def test_whoever_is_faster_it_ends_as_the_events_and_the_import(scene: Scene, tmp_path: Path, seed: int) -> None:
    rows = rows_of(tmp_path)
    messages = [message for learner in learners() for message in events_of(learner)]
    taken_in_wholly([messages])
    import_(rows)
    drain(scene)
    one_after_the_other = ends(scene)
    scene.empty_tables()
    chance = Random(seed)
    start = Barrier(EVENTS + IMPORTS)

    def receive(hand: list[Message]) -> None:
        start.wait()
        taken_in_wholly([hand[place : place + 5] for place in range(0, len(hand), 5)])

    def bring(part: list[TableRow]) -> None:
        start.wait()
        for place in range(0, len(part), 3):
            import_(part[place : place + 3])

    with ThreadPoolExecutor(EVENTS + IMPORTS) as pool:
        hands = [chance.sample(messages, k=len(messages)) for _ in range(EVENTS)]
        parts = [chance.sample(rows, k=len(rows)) for _ in range(IMPORTS)]
        for future in [*(pool.submit(receive, hand) for hand in hands), *(pool.submit(bring, part) for part in parts)]:
            future.result()
    drain(scene)

    assert ends(scene) == one_after_the_other
    certificate, _ = one_after_the_other[0]
    assert (certificate.status, certificate.issued_at, certificate.grade) == (Status.DOWNLOADABLE, day(8), "0.4")
    assert certificate.first_issued_at == day(3) - MOMENT

"""Redecide: a changed course run in; a request to decide again for each of its learners out, page by page."""

from importlib import import_module
from typing import Any

import pytest

from certrules import storage
from certrules.core.terms import Status
from localcloud import LocalCloud
from tests.scenes.scene import Learner, Scene, Wire, as_time, day, failed

AT = as_time(day(9))


def small_pages(cloud: LocalCloud, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have a page hold two learners."""
    with cloud.functions["RedecideFunction"].running():
        decide_again = import_module("certrules.decide_again")  # the copy of this function
        monkeypatch.setattr(decide_again, "PAGE", 2)


def test_a_changed_course_run_is_split_into_its_shards(scene: Scene, learner: Learner) -> None:
    assert scene.redecide({"course_run": learner.course_run, "at": AT}) == failed()

    assert scene.take("RedecideQueue") == [
        {"course_run": learner.course_run, "at": AT, "shard": shard, "after": None}
        for shard in range(storage.COURSE_RUN_SHARDS)
    ]
    assert scene.queued("IngestQueue") == []


def test_every_learner_of_the_course_run_is_asked_for_once_page_by_page(
    scene: Scene, learner: Learner, monkeypatch: pytest.MonkeyPatch
) -> None:
    learners = [Learner(number, learner.course_run) for number in range(1, 90)]
    elsewhere = learner.elsewhere("course-v1:CertX+Other+2026")
    for each in (*learners, elsewhere):
        scene.ingest(each.enrolled(day(1)))
    small_pages(scene.cloud, monkeypatch)

    pages: list[Any] = [{"course_run": learner.course_run, "at": AT}]
    seen = 0
    while pages:
        assert scene.redecide(pages.pop()) == failed()
        pages += scene.take("RedecideQueue")
        seen += 1

    asked = [message["request"] for message in scene.take("IngestQueue")]
    assert sorted(request["learner_id"] for request in asked) == list(range(1, 90))
    assert {request["course_key"] for request in asked} == {learner.course_run}
    assert seen > storage.COURSE_RUN_SHARDS * 2


def test_what_a_course_run_changes_reaches_its_certificates(scene: Scene, learner: Learner) -> None:
    scene.ingest(learner.enrolled(day(1)), learner.passing(day(3)), learner.id_approved(day(1)))
    assert scene.certificate(learner) is None
    scene.empty_queues()

    scene.ingest(learner.configured(day(1)))
    (message,) = scene.take("RedecideQueue")  # which it leaves after a minute
    scene.redecide(message)
    scene.cloud.deliver()

    certificate = scene.certificate(learner)
    assert certificate is not None
    assert (certificate.status, certificate.issued_at) == (Status.DOWNLOADABLE, day(3))


def test_a_page_that_comes_twice_changes_nothing(scene: Scene, learner: Learner, wire: Wire) -> None:
    scene.ingest(*learner.qualifying())
    message = scene.take("RedecideQueue")[0]
    page = {**message, "shard": learner.learner_id % storage.COURSE_RUN_SHARDS}
    wire.sent.clear()

    assert scene.redecide(page, page) == failed()
    scene.ingest(*scene.take("IngestQueue")[-2:])

    assert not wire.operations().keys() & {"PutItem", "TransactWriteItems"}


def test_only_the_page_that_failed_is_retried(scene: Scene, learner: Learner, wire: Wire) -> None:
    page = {"course_run": learner.course_run, "at": AT, "shard": 0, "after": None}
    wire.refuse("Query", f"{learner.course_run}#1")

    answer = scene.redecide(page, {**page, "shard": 1}, {**page, "shard": 2})

    assert answer == failed("m1")

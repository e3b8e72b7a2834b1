"""The consumer: a message is deleted only when all receivers succeeded; nothing that arrives stops it."""

import json
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from typing import Any
from uuid import uuid4

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.test import override_settings
from openedx_events.learning import signals

from openedx_course_certificates import consumer as consumer_module
from openedx_course_certificates.consumer import SqsConsumer
from plugin.tests.both_sides import Platform, comes_true, free_port
from plugin.tests.platform import doings

ENROLLED = "org.openedx.learning.course.enrollment.created.v1"
COURSE = "course-v1:A+B+C"


@contextmanager
def receiver(act: Any) -> Iterator[None]:
    """Connect a receiver to the signal of an enrollment."""
    signals.COURSE_ENROLLMENT_CREATED.connect(act)
    try:
        yield
    finally:
        signals.COURSE_ENROLLMENT_CREATED.disconnect(act)


def enrolled(event_id: str = "", **metadata: Any) -> dict[str, Any]:
    """Return an event of another service of the platform, as the queue has it."""
    enrollment = {
        "user": {"id": 7, "is_active": True, "pii": {"username": "", "email": "", "name": ""}},
        "course": {"course_key": COURSE, "display_name": "", "start": None, "end": None},
        "mode": "verified",
        "is_active": True,
        "creation_date": "2026-01-10T12:01:00+00:00",
        "created_by": None,
    }
    stated = {"id": event_id or str(uuid4()), "event_type": ENROLLED, "time": "2026-01-10T12:01:00Z", **metadata}
    return {"detail-type": ENROLLED, "detail": {"metadata": stated, "enrollment": enrollment}}


def consume(platform: Platform, *bodies: Any) -> None:
    """Put messages into the queue, and receive until it is empty: each is received, or in the dead-letter queue."""
    for body in bodies:
        text = body if isinstance(body, str) else json.dumps(body)
        platform.sqs.send_message(QueueUrl=platform.queue, MessageBody=text)
    consumer = SqsConsumer("course-certificates", "a-group")
    assert comes_true(lambda: not consumer.consume() and not platform.waiting())


def test_an_event_comes_out_as_the_signal_that_went_in(platform: Platform) -> None:
    received: list[dict[str, Any]] = []
    with receiver(lambda **given: received.append(given)):
        consume(platform, enrolled("11111111-1111-1111-1111-111111111111", source="openedx/exams/web", minorversion=2))

    (given,) = received
    assert str(given["enrollment"].course.course_key) == COURSE
    assert given["from_event_bus"]  # so that the producer doesn't send it again
    assert str(given["metadata"].id) == "11111111-1111-1111-1111-111111111111"
    assert (given["metadata"].source, given["metadata"].minorversion) == ("openedx/exams/web", 2)
    assert platform.queued(platform.outputs["QueueUrl"]) == []
    assert platform.queued(platform.cloud.physical("IngestQueue")) == []


def test_a_message_whose_receiver_fails_comes_again_and_others_do_not_wait_for_it(platform: Platform) -> None:
    tries: list[str] = []

    def fail_once(metadata: Any, **_: Any) -> None:
        tries.append(str(metadata.id)[:1])
        if tries == ["1"]:
            raise ZeroDivisionError

    with receiver(fail_once):
        consume(platform, *(enrolled(str(number) * 8 + "-1111" * 3 + "-" + "1" * 12) for number in (1, 2)))

    assert tries == ["1", "2", "1"]
    assert platform.queued(platform.dead_letters) == []


UNREADABLE = [
    "no JSON",
    "[1, 2]",
    "{}",
    '{"detail": {"metadata": []}}',
    enrolled(event_type=5),
    enrolled("no UUID"),
    enrolled(time="yesterday"),
    enrolled(sourcelib=3),
    {"detail": {"metadata": enrolled()["detail"]["metadata"]}},
    {"detail": enrolled()["detail"] | {"enrollment": {"user": 3}}},
    enrolled(event_type="org.openedx.learning.nothing.happened.v9"),
    '{"detail": ' * 2000,
]


def test_what_cannot_be_received_ends_in_the_dead_letter_queue_and_holds_up_nothing(
    platform: Platform, caplog: pytest.LogCaptureFixture
) -> None:
    received: list[object] = []
    with receiver(lambda **given: received.append(given)):
        consume(platform, *UNREADABLE, enrolled())

    assert len(received) == 1
    assert caplog.text.count("stays in the queue (try 2)") == len(UNREADABLE)
    assert len(platform.queued(platform.dead_letters)) == len(UNREADABLE)


def test_a_topic_without_a_queue_is_named(platform: Platform) -> None:
    with pytest.raises(ImproperlyConfigured, match="has no queue for the topic 'another'"):
        SqsConsumer("another", "a-group")
    assert SqsConsumer("another", "a-group", queue_url=platform.queue).consume() == 0


def test_while_the_queue_is_away_the_health_file_grows_old_and_then_it_goes_on(
    platform: Platform, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(consumer_module, "FIRST_PAUSE", 0.05)
    port = free_port()
    health = Path(platform.environment["PLATFORM_HEALTH"])
    health.unlink(missing_ok=True)
    with override_settings(OPENEDX_COURSE_CERTIFICATES=platform.options(ENDPOINT_URL=f"http://127.0.0.1:{port}")):
        consumer = SqsConsumer("course-certificates", "a-group")
        thread = Thread(target=consumer.consume_indefinitely)
        thread.start()
        assert comes_true(lambda: "The queue can't be read" in caplog.text)
        assert not health.exists()
        with platform.cloud.also_on(port):
            assert comes_true(health.exists)
            consumer.stop()
            thread.join()


def test_consume_events_ends_on_sigterm_when_its_message_is_done(platform: Platform, course_run: str) -> None:
    doings.publish_course_run(course_run)
    platform.go_live(course_run)
    process = platform.process(
        "plugin.tests.platform.manage", "consume_events", "-t", "course-certificates", "-g", "platform"
    )
    health = Path(platform.environment["PLATFORM_HEALTH"])
    assert comes_true(lambda: health.exists() and not platform.waiting())
    process.send_signal(signal.SIGTERM)
    output, _ = process.communicate(timeout=60)

    assert process.returncode == 0, output
    assert f"Rollout of {course_run}: live" in output
    assert "has ended" in output


def test_after_it_is_asked_to_stop_the_rest_of_a_batch_goes_back_at_once(platform: Platform) -> None:
    consumer: list[SqsConsumer] = []
    received: list[str] = []

    def stop(metadata: Any, **_: Any) -> None:
        received.append(str(metadata.id))
        consumer[0].stop()

    for _ in range(3):
        platform.sqs.send_message(QueueUrl=platform.outputs["QueueUrl"], MessageBody=json.dumps(enrolled()))
    with receiver(stop):
        consumer.append(SqsConsumer("course-certificates", "a-group"))
        consumer[0].consume_indefinitely()

    assert len(received) == 1
    assert len(platform.queued(platform.outputs["QueueUrl"])) == 2

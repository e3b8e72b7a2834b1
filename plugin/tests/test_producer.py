"""The producer: a request never waits for the bus nor fails, and nothing that was sent is lost."""

import json
import os
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from botocore.exceptions import ClientError, ConnectionClosedError, ReadTimeoutError
from django.test import override_settings
from openedx_events.data import EventsMetadata

from openedx_course_certificates import producer, sender
from openedx_course_certificates.events import MOST_BYTES, Entry
from openedx_course_certificates.spool import Spool
from plugin.tests.both_sides import Platform, comes_true, free_port
from plugin.tests.platform import doings


def ids(events: list[dict[str, Any]]) -> Counter[str]:
    return Counter(event["detail"]["metadata"]["id"] for event in events)


def arrived(platform: Platform) -> list[dict[str, Any]]:
    return platform.queued(platform.cloud.physical("IngestQueue"))


def put(count: int, notes: str = "") -> list[str]:
    """Send events of ours; return their ids."""
    sent = []
    for _ in range(count):
        metadata = EventsMetadata(event_type="certificates.generation.requested.v1")
        producer.send(metadata, {"request": {"learner_id": 1, "notes": notes}}, {})
        sent.append(str(metadata.id))
    return sent


class FakeEvents:
    """EventBridge that answers as it is asked to, while `answers` is set."""

    def __init__(self, *codes: str | Exception | None) -> None:
        self.codes = list(codes)  # of each entry, as they come; then success
        self.batches: list[list[str]] = []
        self.answers = Event()
        self.answers.set()

    def put_events(self, *, Entries: list[dict[str, Any]]) -> dict[str, Any]:  # noqa: N803
        self.batches.append([json.loads(entry["Detail"])["metadata"]["id"] for entry in Entries])
        self.answers.wait(30)
        if self.codes and isinstance(self.codes[0], Exception):
            raise self.codes.pop(0)  # type: ignore[misc]
        codes = [self.codes.pop(0) if self.codes else None for _ in Entries]
        return {"Entries": [{"ErrorCode": code, "ErrorMessage": "a test"} if code else {} for code in codes]}


def put_at_once(fake: FakeEvents, count: int) -> list[str]:
    """Send events that are all there before the next batch is made, for the bus answers an earlier one meanwhile."""
    fake.answers.clear()
    (earlier,) = put(1)
    assert comes_true(lambda: fake.batches == [[earlier]])
    sent = put(count)
    fake.answers.set()
    assert sender.sender().wait(30)
    return sent


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Retries without long pauses."""
    monkeypatch.setattr(sender, "FIRST_PAUSE", 0.01)
    monkeypatch.setattr(sender, "LONGEST_PAUSE", 0.05)


@pytest.fixture
def alone(database: Path, tmp_path: Path) -> Iterator[dict[str, Any]]:
    """The settings of a platform whose bus is a fake."""
    assert database.exists()
    options = {"BUS": "a-bus", "BUFFER_FOLDER": str(tmp_path / "buffer"), "BUFFER_EVENTS": 100}
    with override_settings(OPENEDX_COURSE_CERTIFICATES=options):
        yield options
        sender.close()


@pytest.mark.usefixtures("alone")
def test_events_go_in_batches_of_ten_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    fake = FakeEvents()
    monkeypatch.setattr(sender, "client", lambda _: fake)

    sent = put_at_once(fake, 25)

    assert fake.batches[1:] == [sent[:10], sent[10:20], sent[20:]]


@pytest.mark.usefixtures("alone", "quick")
def test_what_the_bus_does_not_take_for_now_is_sent_again_and_the_hopeless_is_named(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    fake = FakeEvents(None, "ThrottlingException", "MalformedDetail", None)
    monkeypatch.setattr(sender, "client", lambda _: fake)

    throttled, hopeless, fine = put_at_once(fake, 3)

    assert fake.batches[1:] == [[throttled, hopeless, fine], [throttled]]
    assert sender.sender().counts == {"sent": 3, "retried": 1, "refused": 1}
    assert f"Event {hopeless} (certificates.generation.requested.v1) is not sent: MalformedDetail" in caplog.text


@pytest.mark.usefixtures("alone", "quick")
def test_one_hopeless_event_does_not_hold_up_its_batch(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    error = ClientError({"Error": {"Code": "ValidationException", "Message": "a test"}}, "PutEvents")
    fake = FakeEvents(None, error, None, error)
    monkeypatch.setattr(sender, "client", lambda _: fake)

    sent = put_at_once(fake, 3)

    assert sender.sender().counts == {"sent": 3, "refused": 1}
    assert f"Event {sent[1]}" in caplog.text


@pytest.mark.usefixtures("alone", "quick")
@pytest.mark.parametrize(
    "error",
    [
        ReadTimeoutError(endpoint_url="http://bus"),
        ConnectionClosedError(endpoint_url="http://bus"),
        KeyError("Entries"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_bus_that_answers_too_late_or_breaks_off_gets_the_events_again(
    monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    fake = FakeEvents(error)
    monkeypatch.setattr(sender, "client", lambda _: fake)

    sent = put(1)

    assert sender.sender().wait(30)
    assert fake.batches == [sent, sent]


@pytest.mark.usefixtures("alone", "quick")
def test_whatever_fails_while_sending_it_goes_on_and_nothing_is_lost(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    fake = FakeEvents()
    monkeypatch.setattr(sender, "client", lambda _: fake)
    errors, settle = [MemoryError("a test")], Spool.settle

    def fails_once(spool: Spool, waiting: Any) -> None:
        if errors:
            raise errors.pop()
        settle(spool, waiting)

    monkeypatch.setattr(Spool, "settle", fails_once)

    put(1)
    assert comes_true(lambda: "Sending failed, and begins again." in caplog.text)
    later = put(1)

    assert sender.sender().wait(30)
    assert later[0] in [event for batch in fake.batches for event in batch]


@pytest.mark.usefixtures("quick")
def test_while_the_bus_is_away_events_wait_and_a_request_does_not(
    platform: Platform, learner: Any, course_run: str
) -> None:
    port = free_port()
    with override_settings(OPENEDX_COURSE_CERTIFICATES=platform.options(ENDPOINT_URL=f"http://127.0.0.1:{port}")):
        began = time.perf_counter()
        for _ in range(100):
            doings.enroll(learner, course_run)
        assert time.perf_counter() - began < 20
        assert not sender.sender().wait(0.5)
        assert arrived(platform) == []

        with platform.cloud.also_on(port):
            assert sender.sender().wait(30)
            sender.close()
    events = arrived(platform)
    assert len(events) == len(ids(events)) == 100


@pytest.mark.usefixtures("alone")
def test_an_event_without_room_and_one_that_is_too_large_are_named_and_counted(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    fake = FakeEvents(*[ConnectionError("the bus is away")] * 100)
    monkeypatch.setattr(sender, "client", lambda _: fake)

    *_, last = put(101)
    (large,) = put(1, "x" * MOST_BYTES)

    assert sender.sender().counts["full"] == 1
    assert sender.sender().counts["too_large"] == 1
    assert f"Event {last} (certificates.generation.requested.v1) is not sent: 100 events wait already" in caplog.text
    assert f"Event {large} (certificates.generation.requested.v1) is not sent: it has 262," in caplog.text


@pytest.mark.usefixtures("alone")
def test_what_cannot_be_written_as_json_fails_no_request(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    class Broken:
        def __str__(self) -> str:
            raise ZeroDivisionError

    monkeypatch.setattr(sender, "client", lambda _: FakeEvents())
    metadata = EventsMetadata(event_type="certificates.generation.requested.v1")

    producer.send(metadata, {"request": Broken()}, {})

    assert str(metadata.id) in caplog.text
    assert sender.sender().counts["failed"] == 1


def test_names_are_sent_where_a_setting_asks_for_them(platform: Platform, learner: Any, course_run: str) -> None:
    with override_settings(OPENEDX_COURSE_CERTIFICATES=platform.options(SEND_PERSONAL_DATA=True)):
        doings.enroll(learner, course_run)
        assert sender.sender().wait(30)

    (event,) = arrived(platform)
    assert event["detail"]["enrollment"]["user"]["pii"] == {
        "username": learner.username,
        "email": learner.email,
        "name": learner.profile.name,
    }


SENDING = """
import django, os, sys, time
django.setup()
from django.contrib.auth import get_user_model
from plugin.tests.platform import doings
learner = get_user_model().objects.get(pk={learner})
for number in range({count}):
    doings.enroll(learner, {course_run!r})
    {then}
"""


def test_a_process_that_is_killed_while_the_bus_is_away_loses_nothing(
    platform: Platform, learner: Any, course_run: str
) -> None:
    code = SENDING.format(learner=learner.pk, count=25, course_run=course_run, then="")
    process = platform.process(
        "-c", f"{code}\nprint('sent', flush=True); time.sleep(60)", PLATFORM_ENDPOINT="http://127.0.0.1:9"
    )
    assert process.stdout is not None
    assert any(line == "sent\n" for line in process.stdout)
    process.kill()
    process.wait()
    process.stdout.close()

    doings.enroll(learner, course_run)  # any process that lives sends them
    assert sender.sender().wait(30)

    events = arrived(platform)
    assert len(events) == len(ids(events)) == 26
    assert list(Path(platform.environment["PLATFORM_BUFFER"]).iterdir()) != []  # that of this process
    sender.close()
    assert list(Path(platform.environment["PLATFORM_BUFFER"]).iterdir()) == []


def test_a_process_that_is_killed_in_the_middle_of_sending_loses_nothing(
    platform: Platform, learner: Any, course_run: str
) -> None:
    code = SENDING.format(
        learner=learner.pk, count=10_000, course_run=course_run, then="print(number, flush=True); time.sleep(0.001)"
    )
    process = platform.process("-c", code)
    assert process.stdout is not None
    numbers = (line for line in process.stdout if line.strip().isdigit())
    for line in numbers:
        if int(line) == 200:
            break
    process.kill()
    last = max([200, *(int(line) for line in numbers)])
    process.wait()
    process.stdout.close()

    doings.enroll(learner, course_run)
    assert sender.sender().wait(30)

    # the last one may have been stored, and its number not yet printed
    assert len(ids(arrived(platform))) - 1 in {last + 1, last + 2}


def test_a_line_that_a_killed_process_did_not_finish_is_named_and_left_out(
    alone: dict[str, Any], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    fake = FakeEvents()
    monkeypatch.setattr(sender, "client", lambda _: fake)
    put(1)
    assert sender.sender().wait(30)
    (own,) = Path(alone["BUFFER_FOLDER"]).iterdir()
    left = own.with_name(f"{own.name.split('-')[0]}-1-00000000.events")
    detail = json.dumps({"metadata": {"id": "of a killed process"}})
    whole = json.dumps(Entry("of a killed process", "a.type", "openedx/lms/web", 1.0, detail))
    left.write_text(f'{whole}\n["torn", "a.ty')
    sender.close()

    put(1)

    assert sender.sender().wait(30)
    assert "of a killed process" in fake.batches[-1]
    assert "can't be read" in caplog.text
    assert not left.exists()


def test_a_folder_that_others_can_write_is_not_used(
    alone: dict[str, Any], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    fake = FakeEvents()
    monkeypatch.setattr(sender, "client", lambda _: fake)
    folder = Path(alone["BUFFER_FOLDER"])
    folder.mkdir()
    folder.chmod(0o777)

    put(2)

    assert sender.sender().wait(30)
    assert sum(map(len, fake.batches)) == 2
    assert list(folder.iterdir()) == []
    assert caplog.text.count("in memory only") == 1


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # fork beside threads: servers do it
def test_a_child_of_a_fork_sends_its_own_events_and_none_of_its_parent(
    platform: Platform, learner: Any, course_run: str
) -> None:
    code = SENDING.format(learner=learner.pk, count=3, course_run=course_run, then="")
    child = "from openedx_course_certificates.sender import sender\n    assert sender().wait(30)\n    os._exit(0)"
    forking = (
        f"{code}\nfrom django.db import connections; connections.close_all()\n"
        f"pid = os.fork()\nif pid == 0:\n    doings.enroll(learner, {course_run!r})\n    {child}\n"
        "assert os.waitpid(pid, 0)[1] == 0"
    )
    process = platform.process("-c", forking)
    output, _ = process.communicate(timeout=60)

    assert process.returncode == 0, output
    events = arrived(platform)
    assert len(events) == len(ids(events)) == 4
    assert os.getpid() != process.pid

"""The stand-in misbehaves as it should, and nothing that is secret is written anywhere while it does."""

import logging
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from certrules import aws
from certrules.core.deliveries.outcomes import Acknowledged, Unacknowledged, Waiting
from tests.records.faults import Fault
from tests.records.scene import A1, AWARDED, COURSE, NOON, Scene


@pytest.mark.parametrize(("at_once", "breaks"), [(2, False), (8, True)])
def test_many_requests_at_once_for_one_credential_deadlock(scene: Scene, at_once: int, breaks: bool) -> None:
    """As measured (races.json): 54 of 200 with eight at once, none with two."""
    scene.service.misbehaviour.deadlocks = True
    scene.client.send_course("ada", A1, AWARDED)  # it has a token from now on
    with ThreadPoolExecutor(at_once) as workers:
        outcomes = list(workers.map(lambda _number: scene.client.send_course("ada", A1, AWARDED), range(80)))
    broken = [outcome for outcome in outcomes if isinstance(outcome, Unacknowledged)]
    assert bool(broken) is breaks
    assert all(outcome.is_over for outcome in broken)


@pytest.mark.parametrize(
    ("fault", "reason", "is_written"),
    [
        (Fault.THROTTLED, Waiting.THROTTLED, False),
        (Fault.ERROR, Waiting.IN_DOUBT, False),
        (Fault.ERROR_AFTER_WRITING, Waiting.IN_DOUBT, True),
        (Fault.PAGE, Waiting.UNAVAILABLE, False),
        (Fault.GATEWAY, Waiting.IN_DOUBT, False),
        (Fault.HALF, Waiting.IN_DOUBT, True),
        (Fault.SILENT, Waiting.IN_DOUBT, False),
        (Fault.SILENT_AFTER_WRITING, Waiting.IN_DOUBT, True),
        (Fault.TIMEOUT_AFTER_WRITING, Waiting.IN_DOUBT, True),
    ],
)
def test_every_fault_has_its_outcome(
    scene: Scene, caplog: pytest.LogCaptureFixture, fault: Fault, reason: Waiting, is_written: bool
) -> None:
    caplog.set_level(logging.DEBUG)
    scene.platform.request("GET", "/health/")
    if fault is Fault.TIMEOUT_AFTER_WRITING:
        scene.platform.timeout = 0.2
    scene.service.misbehaviour.faults.append(fault)
    outcome = scene.client.send_course("ada", A1, AWARDED)
    assert isinstance(outcome, Unacknowledged)
    assert outcome.reason is reason
    for _ in range(200):
        if scene.status() or not is_written:
            break
        time.sleep(0.05)  # the server may be writing yet, though nobody waits for its answer any more
    assert (scene.status() == "awarded") is is_written
    assert outcome.retry_after == (58 if fault is Fault.THROTTLED else None)
    assert scene.platform._token is not None
    written = caplog.text + repr(outcome)
    assert not [text for text in ("swordfish", scene.platform._token[0], "ada") if text in written]


@pytest.mark.parametrize(
    ("header", "seconds"),
    [("58", 58.0), ("Mon, 01 Jun 2026 12:01:00 GMT", 60.0), ("soon", None), ("-5", None), (None, None)],
)
def test_retry_after_is_seconds_or_a_date(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, header: str | None, seconds: float | None
) -> None:
    monkeypatch.setattr(aws, "now", lambda: NOON)
    scene.platform.request("GET", "/health/")
    scene.service.misbehaviour.retry_after = header
    scene.service.misbehaviour.faults.append(Fault.THROTTLED)
    outcome = scene.client.send_course("ada", A1, AWARDED)
    assert isinstance(outcome, Unacknowledged)
    assert outcome.retry_after == seconds


def test_a_service_that_is_not_there_is_unavailable_and_nothing_was_written(scene: Scene) -> None:
    scene.platform.request("GET", "/health/")
    scene.platform.url = "http://127.0.0.1:9"
    outcome = scene.client.send_course("ada", A1, AWARDED)
    assert outcome == Unacknowledged(Waiting.UNAVAILABLE, "ConnectionRefusedError")


def test_a_platform_that_gives_no_token_is_unavailable(scene: Scene) -> None:
    scene.platform._token_url = "http://127.0.0.1:9"
    outcome = scene.client.send_course("ada", A1, AWARDED)
    assert isinstance(outcome, Unacknowledged)
    assert outcome.reason is Waiting.UNAVAILABLE


def test_a_secret_that_cannot_be_read_is_named(scene: Scene) -> None:
    scene.secrets.value = "swordfish"
    outcome = scene.client.send_course("ada", A1, AWARDED)
    assert isinstance(outcome, Unacknowledged)
    assert outcome.reason is Waiting.NOT_AUTHORISED
    assert "swordfish" not in outcome.detail


def test_the_token_asks_for_no_scope_so_that_it_has_the_profile(scene: Scene) -> None:
    assert isinstance(scene.client.send_course("ada", A1, AWARDED), Acknowledged)
    assert scene.platform._token is not None
    account = scene.service.platform.read(f"JWT {scene.platform._token[0]}", scene.now)
    assert account.is_administrator


def test_a_service_that_is_down_is_up_again_at_its_own_time(scene: Scene) -> None:
    scene.platform.request("GET", "/health/")
    scene.service.misbehaviour.down_until = NOON + timedelta(hours=1)
    assert isinstance(scene.client.send_course("ada", A1, AWARDED), Unacknowledged)
    scene.now += timedelta(hours=1)
    assert isinstance(scene.client.send(COURSE, AWARDED, "ada"), Acknowledged)

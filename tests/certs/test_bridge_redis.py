"""`certs bridge redis`, with a real redis-server: nothing is lost, and it starts where it was."""

import json
import os
import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from certs.bridge.redis_streams import RedisPlace, RedisStreams
from certs.bridge.running import is_healthy
from tests.scenes import buses
from tests.scenes.bridges import OurSide, Running, enrollments, eventually, ids, ours
from tests.scenes.redis_server import STREAM, Server, server

__all__ = ["ours", "server"]


def reader(
    server: Server, consumer: str = "one", idle: float = 60, streams: tuple[str, ...] = (STREAM,)
) -> RedisStreams:
    return RedisStreams(RedisPlace(server.url, streams, "course-certificates", consumer), idle)


def arrived(ours: OurSide, count: int, parked: int = 0) -> bool:
    ours.look()
    return len(ours.taken) >= count and len(ours.parked) >= parked


def test_entries_of_before_and_of_now_are_carried_in_order_and_acknowledged(
    server: Server, ours: OurSide, tmp_path: Path
) -> None:
    sent = enrollments(230)
    server.add(*sent[:150])
    running = Running(reader(server), ours, tmp_path / "health")
    server.add(*sent[150:])
    eventually(lambda: arrived(ours, 230))
    running.stop()

    assert ours.taken == ids(sent)
    assert server.pending() == 0
    assert running.state == "stopped"


def test_the_entries_of_a_real_bus_are_carried_or_parked_by_name(
    server: Server, ours: OurSide, tmp_path: Path, shared_data: Path
) -> None:
    streams = []
    for stream, entry_id, fields in buses.given_entries(shared_data):
        server.client.xadd(stream, fields, id=entry_id)
        streams.append(stream)
    running = Running(reader(server, streams=tuple(dict.fromkeys(streams))), ours, tmp_path / "health")
    eventually(lambda: arrived(ours, 9, len(streams) - 9))
    running.stop()

    assert len(ours.taken) == 9
    reasons = [reason for reason, place in ours.parked if "/dev-learning-certificate-lifecycle/" in place]
    assert reasons == ["not_avro", "unknown_type", "missing_field"]
    assert ours.parked[0][1] == "redis/dev-learning-certificate-lifecycle/1795917306273-0"


def test_while_the_bus_is_down_nothing_is_acknowledged_and_then_all_comes_in_order(
    server: Server, ours: OurSide, tmp_path: Path
) -> None:
    sent = enrollments(5)
    ours.is_down = True
    server.add(*sent[:3])
    running = Running(reader(server), ours, tmp_path / "health")
    eventually(lambda: running.state == "failing")
    assert "the bus is down" in is_healthy(tmp_path / "health", datetime.now(UTC))[1]
    assert server.pending() == 3
    server.add(*sent[3:])
    ours.is_down = False
    eventually(lambda: arrived(ours, 5))
    running.stop()

    assert ours.taken == ids(sent)
    assert server.pending() == 0


def test_a_server_that_goes_and_comes_back_is_read_on_where_it_was(
    server: Server, ours: OurSide, tmp_path: Path
) -> None:
    sent = enrollments(6)
    server.add(*sent[:3])
    running = Running(reader(server), ours, tmp_path / "health")
    eventually(lambda: arrived(ours, 3))
    server.stop()
    eventually(lambda: running.state == "failing")
    server.start()
    server.add(*sent[3:])
    eventually(lambda: arrived(ours, 6))
    eventually(lambda: running.state == "ok")
    running.stop()

    assert ours.taken == ids(sent)


def test_what_a_bridge_that_was_killed_had_read_comes_to_the_next_one(
    server: Server, ours: OurSide, tmp_path: Path
) -> None:
    sent = enrollments(4)
    server.add(*sent[:2])
    assert len(reader(server, "killed").read()) == 2  # and never acknowledged
    assert server.pending() == 2
    server.add(*sent[2:])
    running = Running(reader(server, "next", idle=0.2), ours, tmp_path / "health")
    eventually(lambda: arrived(ours, 4))
    running.stop()

    assert sorted(ours.taken) == sorted(ids(sent))
    assert server.pending() == 0


def test_the_same_bridge_begins_with_what_it_had_not_acknowledged(
    server: Server, ours: OurSide, tmp_path: Path
) -> None:
    sent = enrollments(3)
    server.add(*sent[:2])
    reader(server).read()
    server.add(*sent[2:])
    running = Running(reader(server), ours, tmp_path / "health")
    eventually(lambda: arrived(ours, 3))
    running.stop()

    assert ours.taken == ids(sent)


def test_entries_that_the_stream_dropped_are_reported(server: Server, capfd: pytest.CaptureFixture[str]) -> None:
    server.add(*enrollments(3))
    first = reader(server)
    first.read()
    server.client.xtrim(STREAM, maxlen=0, approximate=False)
    assert reader(server).read() == []  # those that were pending
    assert capfd.readouterr().err.count("dropped by the stream before it was carried") == 3
    server.add(*enrollments(5))
    server.client.xtrim(STREAM, maxlen=2, approximate=False)
    assert len(reader(server).read()) == 2
    assert "it dropped 3 entries that were not read" in capfd.readouterr().err


def test_the_command_stops_at_sigterm_with_its_health_file_and_exit_code_0(server: Server, tmp_path: Path) -> None:
    health = tmp_path / "health.json"
    command = [sys.executable, "-m", "certs.cli", "bridge", "redis", "--url", server.url, "--stream", STREAM]
    more = ["--bus", "b", "--parked-queue", "q", "--health", str(health)]
    main = [sys.executable, "-c", "from certs.cli import main; main()", *command[3:], *more]
    process = subprocess.Popen(main, env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)})
    try:
        eventually(lambda: health.exists() and is_healthy(health, datetime.now(UTC))[0])
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
    finally:
        process.kill()
    assert json.loads(health.read_text())["state"] == "stopped"
    assert not is_healthy(health, datetime.now(UTC))[0]


def test_a_health_file_counts_for_two_minutes(tmp_path: Path) -> None:
    file, now = tmp_path / "health", datetime.now(UTC)
    assert is_healthy(file, now)[0] is False
    for content in ("", "[]", '{"state": "ok"}', '{"state": "ok", "at": "x", "error": ""}'):
        file.write_text(content)
        assert is_healthy(file, now)[0] is False
    file.write_text(json.dumps({"state": "ok", "at": now.isoformat(), "error": ""}))
    assert is_healthy(file, now + timedelta(seconds=100)) == (True, "ok")
    assert "hangs" in is_healthy(file, now + timedelta(seconds=130))[1]

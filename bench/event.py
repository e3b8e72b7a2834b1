"""The event path: CPU through the real handler, against the calls to DynamoDB that it can't avoid, made bare."""

import os
import socket
import subprocess
import time
from base64 import b64decode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import botocore.session
from botocore.config import Config
from pynamodb.transactions import TransactWrite

from bench.bare import HistoryItem, Item, connection
from bench.batches import BATCH, CASES, CERTIFICATES, HISTORY, Batch, Ingest, unseen_output
from bench.measure import Turn, compare
from bench.tables import Goal, Row, Table, microseconds
from bench.wire import Wire, puts
from certrules import aws

ROOT = Path(__file__).resolve().parent.parent
LOCAL_AWS = Path(os.environ.get("CERTS_LOCAL_AWS", ROOT.parent / "shared" / "local-aws"))
ROUNDS = 15
ROUNDS_WITH_ENGINE = 15

type Calls = Callable[[Batch], None]

_PYNAMODB, _BOTOCORE, _INGEST = "PynamoDB", "botocore", "ingest"
_ATTRIBUTES = "ezcridtxkhy"
_IN_THREADS = ", written in threads"
WAYS = {"512": CASES, "1024": CASES[:2]}
"""What is measured, by the function's memory in MB."""


def with_pynamodb() -> Calls:
    """Return the same requests, made through bare models; their contents are known beforehand."""

    def make(batch: Batch) -> None:
        (_, read), *writes = batch.requests
        keys = [(key["p"]["S"], key["s"]["S"]) for key in read["RequestItems"][CERTIFICATES]["Keys"]]
        found = {(item.p, item.s): item for item in Item.batch_get(keys, consistent_read=True)}
        for operation, request in writes:
            first, *more = [put["Item"] for put in puts(operation, request)]
            key = first["p"]["S"], first["s"]["S"]
            item = found.get(key) or Item(*key)
            for name in _ATTRIBUTES:
                value = first.get(name)
                setattr(item, name, value and (value["S"] if "S" in value else int(value["N"])))
            if more:
                with TransactWrite(connection=connection()) as transaction:
                    transaction.save(item)
                    for row in more:
                        transaction.save(HistoryItem(row["p"]["S"], row["s"]["S"], b=row["b"]["S"]))
            else:
                item.save()

    return make


def _read(value: dict[str, Any]) -> str | int | bytes:
    """Return a value of an attribute, from its written form."""
    if "B" in value:
        return b64decode(value["B"])
    return value["S"] if "S" in value else int(value["N"])


def with_botocore() -> Calls:
    """Return the same requests, made through botocore with parameters that are known beforehand."""
    config = Config(parameter_validation=False, connect_timeout=2, read_timeout=5)
    client: Any = botocore.session.get_session().create_client("dynamodb", config=config)
    calls = {
        "BatchGetItem": client.batch_get_item,
        "PutItem": client.put_item,
        "TransactWriteItems": client.transact_write_items,
    }

    def make(batch: Batch) -> None:
        for operation, request in batch.requests:
            calls[operation](**request)

    return make


def measure() -> Iterator[Table]:
    """Yield the cost of an event: with a wire that costs nothing, then with AWS's own engine if there is one."""
    wire = Wire()
    with dynamodb_local() as endpoint:
        ingest = Ingest(wire, endpoint)
        batches = ingest.batches()
        sides: dict[str, Calls] = {
            _PYNAMODB: with_pynamodb(),
            _BOTOCORE: with_botocore(),
            _INGEST: lambda batch: ingest(batch.event),
        }

        def canned(side: Calls, messages: list[Batch]) -> Turn:
            def turn() -> float:
                start = time.process_time()
                for batch in messages:
                    wire.answer = batch.respond
                    side(batch)
                return (time.process_time() - start) / (BATCH * len(messages))

            return turn

        with unseen_output():
            rows = [_row(case, batches[of], sides, canned, ROUNDS) for case, of in _each_way()]
        yield _table("CPU of an event, the wire costs nothing", rows)
        if endpoint is None:
            return
        wire.answer = None
        engine = _Engine()

        def real(side: Calls, messages: list[Batch]) -> Turn:
            def turn() -> float:
                engine.put(messages)
                start = time.process_time()
                for batch in messages:
                    side(batch)
                return (time.process_time() - start) / (BATCH * len(messages))

            return turn

        with unseen_output():
            rows = [_row(case, batches[of][:4], sides, real, ROUNDS_WITH_ENGINE) for case, of in _each_way()]
        yield _table("CPU of an event, with DynamoDB Local", rows)


def _each_way() -> Iterator[tuple[str, str]]:
    """Yield each comparison's name, and its case; `ingest` writes in that way while the caller compares.

    One after the other, as the bare sides do, or in threads, as a function does with 1,024 MB or more.
    """
    for way, cases in WAYS.items():
        os.environ["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"] = way
        aws._workers.cache_clear()  # noqa: SLF001 - it reads the memory once
        yield from ((f"{case}{_IN_THREADS if way == '1024' else ''}", case) for case in cases)


def _row(
    case: str, messages: list[Batch], sides: dict[str, Calls], turn: Callable[[Calls, list[Batch]], Turn], rounds: int
) -> Row:
    results = compare({name: turn(side, messages) for name, side in sides.items()}, rounds)
    requests = sum(len(batch.requests) for batch in messages) / len(messages)
    costs = (microseconds(results[name]) for name in (_BOTOCORE, _PYNAMODB, _INGEST))
    goal = Goal(1.5 if case == CASES[2] else 1.15)
    return Row(case, (f"{requests:g}", *costs), results[_INGEST].ratio, goal)


def _table(title: str, rows: list[Row]) -> Table:
    heads = ("requests for ten", "botocore, µs", "PynamoDB, µs", "`ingest`, µs")
    return Table(title, heads, "PynamoDB", rows)


class _Engine:
    """The tables in AWS's own engine."""

    def __init__(self) -> None:
        self._client = cast("Any", botocore.session.get_session().create_client("dynamodb"))
        names = ("p", "HASH"), ("s", "RANGE")
        for table in (CERTIFICATES, HISTORY):
            self._client.create_table(
                TableName=table,
                AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name, _ in names],
                KeySchema=[{"AttributeName": name, "KeyType": kind} for name, kind in names],
                BillingMode="PAY_PER_REQUEST",
            )

    def put(self, batches: list[Batch]) -> None:
        """Have everything as it was before these batches."""
        for batch in batches:
            for start in range(0, len(batch.before), 25):
                items = [{"PutRequest": {"Item": item}} for item in batch.before[start : start + 25]]
                self._client.batch_write_item(RequestItems={CERTIFICATES: items})


@contextmanager
def dynamodb_local() -> Iterator[str | None]:
    """Give the endpoint of AWS's own engine, started for the while; None if there is none to be started."""
    starter = LOCAL_AWS / "start-dynamodb-local"
    if not starter.exists():
        yield None
        return
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    started = subprocess.run([starter, port], check=False, capture_output=True, text=True)  # noqa: S603 - ours
    try:
        yield started.stdout.strip() if started.returncode == 0 else None
    finally:
        subprocess.run([starter, "--stop", port], check=False, capture_output=True)  # noqa: S603 - ours

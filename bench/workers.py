"""Processes that ingest side by side, as copies of a function do, and what gives them batches as SQS would."""

import io
import json
import os
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass, field
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from typing import Any, NamedTuple, cast

from bench.arrivals import Arrival
from bench.batches import BATCH, CERTIFICATES, HISTORY, Context

INGEST, BARE = "ingest", "bare PynamoDB"
BARE_TABLES = (CERTIFICATES, HISTORY)


class Done(NamedTuple):
    """What became of a batch."""

    at: float  # seconds since 1970
    failed: set[int]  # positions in the batch, to be delivered again
    lost_races: int
    cpu: float  # seconds that the process took


type Side = Callable[[Sequence[Arrival]], tuple[set[int], int]]
"""Ingests a batch; returns the positions of what failed, and how many races were lost."""


@dataclass(slots=True)
class Ingested:
    """The result of a load."""

    stored: list[float] = field(default_factory=list)  # seconds from arrival until it was stored, of each event
    lost_races: int = 0
    redelivered: int = 0
    began: float = 0  # seconds since 1970
    ended: float = 0
    cpu: float = 0  # seconds that all processes took

    @property
    def rate(self) -> float:
        """Events a second, from the first arrival until all were stored."""
        return len(self.stored) / (self.ended - self.began)


class Workers:
    """Warm processes that ingest for either side."""

    def __init__(self, connections: list[Any]) -> None:
        """Take their ends of the pipes."""
        self._connections = connections

    def ingest(self, side: str, arrivals: Sequence[Arrival]) -> Ingested:
        """Give what has arrived to whoever is idle, ten at most at a time, until all is stored.

        What failed is given again at once, which SQS would do after the queue's visibility timeout.
        """
        result = Ingested(began=arrivals[0].at)
        waiting: deque[Arrival] = deque()
        idle, busy = list(self._connections), {}
        position = 0
        while len(result.stored) < len(arrivals):
            now = time.time()
            while position < len(arrivals) and arrivals[position].at <= now:
                waiting.append(arrivals[position])
                position += 1
            while waiting and idle:
                batch = [waiting.popleft() for _ in range(min(BATCH, len(waiting)))]
                connection = idle.pop()
                connection.send((side, batch))
                busy[connection] = batch
            left = arrivals[position].at - time.time() if position < len(arrivals) else None
            if not busy:
                time.sleep(max(0, left or 0))  # nothing is to be done before the next arrival
                continue
            for ready in cast("list[Any]", wait(list(busy), None if left is None or not idle else max(0, left))):
                done: Done = ready.recv()
                batch = busy.pop(ready)
                idle.append(ready)
                result.lost_races += done.lost_races
                result.redelivered += len(done.failed)
                result.cpu += done.cpu
                waiting.extend(batch[number] for number in sorted(done.failed))
                result.stored += [done.at - one.at for number, one in enumerate(batch) if number not in done.failed]
                result.ended = done.at
        return result


@contextmanager
def workers(count: int, environment: Mapping[str, str]) -> Iterator[Workers]:
    """Start so many processes; they end with the context."""
    context = get_context("spawn")
    connections, processes = [], []
    try:
        for _ in range(count):
            ours, theirs = context.Pipe()
            process = context.Process(target=_work, args=(theirs, dict(environment)), daemon=True)
            process.start()
            theirs.close()
            connections.append(ours)
            processes.append(process)
        for connection in connections:
            connection.recv()  # it has imported all
        yield Workers(connections)
    finally:
        for connection in connections:
            connection.close()
        for process in processes:
            process.join()


def _work(connection: Connection, environment: Mapping[str, str]) -> None:
    """Ingest batches until the pipe is closed."""
    os.environ.update(environment)
    sides = {INGEST: _function(), BARE: _bare()}
    connection.send("ready")
    while True:
        try:
            side, batch = connection.recv()
        except EOFError:
            return
        started = time.process_time()
        failed, lost_races = sides[side](batch)
        connection.send(Done(time.time(), failed, lost_races, time.process_time() - started))


def _function() -> Side:
    """Return the function's real handler. The races that it lost are in the metrics that it prints."""
    from functions.ingest import app  # noqa: PLC0415 - it reads the environment when it is imported

    handler: Any = app.handler

    def ingest(batch: Sequence[Arrival]) -> tuple[set[int], int]:
        records = [{"messageId": str(number), "body": arrival.body} for number, arrival in enumerate(batch)]
        printed = io.StringIO()
        with redirect_stdout(printed):
            answer = handler({"Records": records}, Context())
        metrics = (json.loads(line) for line in printed.getvalue().splitlines() if line.startswith('{"_aws"'))
        lost_races = sum(sum(line.get("LostRaces", ())) for line in metrics)
        return {int(failure["itemIdentifier"]) for failure in answer["batchItemFailures"]}, round(lost_races)

    return ingest


def _bare() -> Side:
    """Return reads and conditional writes of the same items through bare models, without any logic.

    A record is written once a batch. Who passes is saved with a history item, in one transaction.
    """
    from pynamodb.exceptions import PutError, TransactWriteError  # noqa: PLC0415 - like the other side's imports
    from pynamodb.transactions import TransactWrite  # noqa: PLC0415 - same

    from bench.bare import HistoryItem, Item, connection  # noqa: PLC0415 - same

    def ingest(batch: Sequence[Arrival]) -> tuple[set[int], int]:
        positions: dict[tuple[str, str], list[int]] = {}
        for number, arrival in enumerate(batch):
            positions.setdefault(arrival.key, []).append(number)
        found = {(item.p, item.s): item for item in Item.batch_get(list(positions), consistent_read=True)}
        failed: set[int] = set()
        lost_races = 0
        for key, numbers in positions.items():
            item = found.get(key) or Item(*key)
            item.e = batch[numbers[-1]].body
            passes = [number for number in numbers if batch[number].passes is not None]
            try:
                if passes:
                    with TransactWrite(connection=connection()) as transaction:
                        transaction.save(item)
                        transaction.save(HistoryItem(key[0], f"{key[1]}#1", b=item.e))
                else:
                    item.save()
            except (PutError, TransactWriteError):
                failed.update(numbers)
                lost_races += 1
        return failed, lost_races

    return ingest


def make_bare_tables(client: Any) -> None:
    """Make the tables of the bare side. They have no index and no stream."""
    names = ("p", "HASH"), ("s", "RANGE")
    for table in BARE_TABLES:
        client.create_table(
            TableName=table,
            AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name, _ in names],
            KeySchema=[{"AttributeName": name, "KeyType": kind} for name, kind in names],
            BillingMode="PAY_PER_REQUEST",
        )

"""Support: what it takes to explain a case, against the reads that it can't avoid, made bare."""

import statistics
import time
from collections.abc import Callable
from urllib.parse import urlencode

from bench.event import ROOT
from bench.measure import Turn, compare
from bench.tables import Row, Table
from certs.run import LOCAL_PARAMETERS, drive, events_of
from certs.sources.course_run import history
from localcloud import LocalCloud

ROUNDS = 9
LEARNERS = 60

type Ask = Callable[[int], object]


def measure() -> Table:
    """Return the table: each learner of a made-up course run is explained, on the local cloud."""
    with LocalCloud(ROOT / "template.yaml", {**LOCAL_PARAMETERS, "DailyReconciliation": "off"}) as cloud:
        drive(cloud, list(events_of(history(LEARNERS, 2026))), lambda _: None)
        keys = cloud.client("dynamodb").scan(TableName=cloud.physical("CertificatesTable"), IndexName="learners")
        pairs = [(item["p"]["S"], item["s"]["S"]) for item in keys["Items"] if item["p"]["S"].startswith("L#")]
        course_run = pairs[0][1]
        authorization = {"Authorization": f"Bearer {cloud.api.token('bench', ['certificates/view'])}"}
        dynamodb = cloud.client("dynamodb")
        certificates, events, receipts = (
            cloud.physical(f"{name}Table") for name in ("Certificates", "History", "Support")
        )

        def explained(position: int) -> None:
            learner = pairs[position][0].removeprefix("L#")
            query = urlencode({"learner_id": learner, "course_run": course_run})
            answer = cloud.api.request("GET", f"/v1/case?{query}", authorization)
            assert answer.status == 200

        def bare(position: int) -> None:
            p = {"S": pairs[position][0]}
            names = [(p, {"S": course_run}), (p, {"S": "ID"}), ({"S": f"R#{course_run}"}, {"S": "-"})]
            dynamodb.batch_get_item(
                RequestItems={certificates: {"Keys": [{"p": p, "s": s} for p, s in names], "ConsistentRead": True}}
            )
            for table in (events, receipts):
                dynamodb.query(
                    TableName=table,
                    KeyConditionExpression="p = :p AND begins_with(s, :s)",
                    ExpressionAttributeValues={":p": p, ":s": {"S": f"{course_run}#"}},
                )

        asks: dict[str, Ask] = {"bare": bare, "explained": explained}
        waited: dict[str, list[float]] = {name: [] for name in asks}
        sides = compare({name: _turn(ask, waited[name], len(pairs)) for name, ask in asks.items()}, ROUNDS)
        rows = [
            Row("its three reads, bare", _milliseconds(waited["bare"])),
            Row("`GET /v1/case`, whole", _milliseconds(waited["explained"]), sides["explained"].ratio),
        ]
        return Table("A case explained", ("median, ms", "95 of 100 within, ms"), "the bare reads (CPU)", rows)


def _turn(ask: Ask, waited: list[float], size: int) -> Turn:
    def turn() -> float:
        start = time.process_time()
        for position in range(size):
            began = time.perf_counter()
            ask(position)
            waited.append(time.perf_counter() - began)
        return (time.process_time() - start) / size

    return turn


def _milliseconds(waited: list[float]) -> tuple[str, str]:
    return f"{1000 * statistics.median(waited):.1f}", f"{1000 * statistics.quantiles(waited, n=20)[-1]:.1f}"

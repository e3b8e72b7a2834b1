"""The simulation's DynamoDB answers what moto and AWS's own engine answer, to the very requests that the code sends."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from botocore.exceptions import ClientError

from localcloud import LocalCloud
from tests.scenes.scene import TEMPLATE, Scene

ROOT = Path(__file__).resolve().parents[2]
TABLES = {"certificates": "CertificatesTable", "history": "HistoryTable", "support": "SupportTable"}
HISTORIES = 3


@pytest.fixture(scope="module")
def recorded() -> list[list[Any]]:
    """The requests of some histories, with the answers."""
    command = [sys.executable, "-m", "tests.simulation.recording", str(HISTORIES)]
    done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    return msgspec.msgpack.decode(done.stdout, type=list[list[Any]])


@pytest.fixture
def of_moto() -> Iterator[Scene]:
    """The tables in moto."""
    with LocalCloud(TEMPLATE, {"DeletionProtection": "false"}) as cloud:
        yield Scene(cloud)


@pytest.fixture
def of_aws(dynamodb_local: str) -> Iterator[Scene]:
    """The tables in AWS's own engine."""
    with LocalCloud(TEMPLATE, {"DeletionProtection": "false"}, dynamodb_endpoint=dynamodb_local) as cloud:
        yield Scene(cloud, dynamodb_local)


def test_moto_answers_the_same(of_moto: Scene, recorded: list[list[Any]]) -> None:
    """But for a page that the last item fills: AWS doesn't know yet that it is the last one, and moto does."""
    assert_same(of_moto, recorded, knows_the_last=True)


def test_the_engine_of_aws_answers_the_same(of_aws: Scene, recorded: list[list[Any]]) -> None:
    assert_same(of_aws, recorded)


def assert_same(scene: Scene, recorded: list[list[Any]], *, knows_the_last: bool = False) -> None:
    """Send the requests of each history to empty tables, and compare every answer."""
    seen = set()
    for calls in recorded:
        scene.empty_tables(*TABLES.values())
        for operation, params, answer in calls:
            seen.add(operation)
            found = real_answer(scene, operation, physical(scene, params))
            if knows_the_last and operation == "Query" and found["Count"] == params.get("Limit"):
                found.setdefault("LastEvaluatedKey", physical(scene, answer).get("LastEvaluatedKey"))
            assert comparable(operation, params, found) == comparable(operation, params, physical(scene, answer)), (
                operation,
                params,
            )
    assert seen >= {"BatchGetItem", "PutItem", "TransactWriteItems", "BatchWriteItem", "Query", "Scan"}


def real_answer(scene: Scene, operation: str, params: dict[str, Any]) -> Any:
    """Return the answer of the engine, or the code of its error."""
    try:
        return scene.client("dynamodb")._make_api_call(operation, params)
    except ClientError as error:
        return error.response["Error"]["Code"]


def physical(scene: Scene, value: Any) -> Any:
    """Return a request or an answer with the names that the tables have in this stack."""
    if isinstance(value, dict):
        return {physical(scene, name): physical(scene, item) for name, item in value.items()}
    if isinstance(value, list):
        return [physical(scene, item) for item in value]
    return scene.cloud.physical(TABLES[value]) if isinstance(value, str) and value in TABLES else value


def comparable(operation: str, params: dict[str, Any], answer: Any) -> Any:
    """Return the content of an answer, without what has no order, or no meaning for the code."""
    if isinstance(answer, str):
        return answer
    found = {
        name: answer[name] for name in ("Item", "Responses", "UnprocessedKeys", "UnprocessedItems") if answer.get(name)
    }
    if "Responses" in found:
        found["Responses"] = {name: in_order(items) for name, items in found["Responses"].items()}
    if operation == "Query":
        return {"Items": answer["Items"], "LastEvaluatedKey": answer.get("LastEvaluatedKey")}
    if operation == "Scan" and params.get("TotalSegments", 1) == 1 and "LastEvaluatedKey" not in answer:
        return in_order(answer["Items"])
    return found


def in_order(items: list[Any]) -> list[Any]:
    """Return items in one order."""
    return sorted(items, key=lambda item: repr(sorted(item.items())))

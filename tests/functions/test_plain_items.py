"""Our models ask DynamoDB for what PynamoDB's own models ask for, only with less CPU."""

from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError
from pynamodb.attributes import BinaryAttribute, NumberAttribute, UnicodeAttribute, VersionAttribute
from pynamodb.connection import Connection
from pynamodb.exceptions import PutError
from pynamodb.models import Model

from certrules.storage.plain import BATCH_GET_KEYS, Bytes, Text, VersionedItem, Whole

type Request = tuple[str, dict[str, Any]]
type Answer = Callable[[dict[str, Any]], dict[str, Any]]

ENTRY = {"Error": {"Code": "ConditionalCheckFailedException", "Message": "it changed"}}


class _Meta:
    table_name = "certificates"
    region = "eu-west-1"


class Ours(VersionedItem):
    class Meta(_Meta):
        pass

    b = Text(null=True)
    n = Whole(null=True)
    z = Bytes(null=True, legacy_encoding=False)


class Usual(Model):
    class Meta(_Meta):
        pass

    p = UnicodeAttribute(hash_key=True)
    s = UnicodeAttribute(range_key=True)
    v = VersionAttribute()
    b = UnicodeAttribute(null=True)
    n = NumberAttribute(null=True)
    z = BinaryAttribute(null=True, legacy_encoding=False)


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> Callable[[Answer], list[Request]]:
    """Return what sets the answer to each request, and gives the list in which they are noted."""

    def answering(answer: Answer) -> list[Request]:
        sent: list[Request] = []

        def dispatch(_connection: Connection, operation: str, parameters: dict[str, Any]) -> dict[str, Any]:
            sent.append((operation, parameters))
            return answer(parameters)

        monkeypatch.setattr(Connection, "dispatch", dispatch)
        return sent

    return answering


def filled(model: type[Any], version: int | None, more: dict[str, Any]) -> Any:
    item = model("L#1", "a course run", **more)
    if version is not None:
        item.v = version
    return item


@pytest.mark.parametrize("version", [None, 1, 41])
@pytest.mark.parametrize("more", [{}, {"b": "ü", "n": 0, "z": b"\x00"}, {"b": "", "n": -3}])
def test_an_item_is_written_as_pynamodb_writes_it(
    version: int | None, more: dict[str, Any], answers: Callable[[Answer], list[Request]]
) -> None:
    sent = answers(lambda _: {})
    items = [filled(model, version, more) for model in (Ours, Usual)]
    alone = [item.get_save_kwargs_from_instance() for item in items]
    for item in items:
        item.save()

    assert alone[0] == alone[1]
    assert sent[0] == sent[1]
    assert [item.v for item in items] == [(version or 0) + 1] * 2


def test_a_write_that_is_refused_leaves_the_version_and_names_the_reason(
    answers: Callable[[Answer], list[Request]],
) -> None:
    def refuse(_: dict[str, Any]) -> dict[str, Any]:
        raise ClientError(ENTRY, "PutItem")  # type: ignore[arg-type] # as much of it as is read

    answers(refuse)
    item = filled(Ours, 3, {})
    with pytest.raises(PutError) as raised:
        item.save()

    assert raised.value.cause_response_code == "ConditionalCheckFailedException"
    assert item.v == 3


@pytest.mark.parametrize("other", [{"condition": Ours.b.exists()}, {"add_version_condition": False}])
def test_another_condition_is_refused_and_not_left_out(
    other: dict[str, Any], answers: Callable[[Answer], list[Request]]
) -> None:
    sent = answers(lambda _: {})
    with pytest.raises(TypeError, match="under the condition of its version"):
        Ours.new("L#1", "ID").save(**other)

    assert sent == []


def test_any_number_of_items_is_read_once_each_though_dynamodb_leaves_some_for_later(
    answers: Callable[[Answer], list[Request]],
) -> None:
    def answer(parameters: dict[str, Any]) -> dict[str, Any]:
        keys = parameters["RequestItems"]["certificates"]["Keys"]
        done, left = keys[:70], keys[70:]
        found = [key for key in done if key["s"] != {"S": "7"}]  # one is not stored
        return {
            "Responses": {"certificates": found},
            "UnprocessedKeys": {"certificates": {"Keys": left}} if left else {},
        }

    sent = answers(answer)
    keys = [("L#1", str(number)) for number in range(250)]
    read = [(item.p, item.s) for item in Ours.batch_get([*keys, keys[0]], consistent_read=True)]

    assert sorted(read) == sorted({*keys} - {("L#1", "7")})
    asked = [parameters["RequestItems"]["certificates"] for _, parameters in sent]
    assert max(len(request["Keys"]) for request in asked) == BATCH_GET_KEYS
    assert all(request["ConsistentRead"] for request in asked)


def test_only_the_attributes_that_are_asked_for_are_read(answers: Callable[[Answer], list[Request]]) -> None:
    sent = answers(lambda _: {"Responses": {"certificates": []}, "UnprocessedKeys": {}})
    assert list(Ours.batch_get([("L#1", "ID")], attributes_to_get=["p", "s"])) == []
    assert list(Ours.batch_get([])) == []

    ((operation, parameters),) = sent
    assert operation == "BatchGetItem"
    assert parameters["RequestItems"]["certificates"]["ProjectionExpression"] == "p, s"


def test_an_attribute_is_part_of_conditions_on_the_class_and_a_value_on_an_item() -> None:
    item: Any = Ours.new("L#1", "ID")
    assert (item.p, item.b, item.n) == ("L#1", None, None)
    assert str(Ours.b == "x") == str(Usual.b == "x")

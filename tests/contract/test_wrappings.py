"""An event inside something else is unwrapped where that is safe, else refused by the name of what holds it."""

import base64
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from certrules.formats.events_in import decode
from certrules.formats.messages import OWN_SOURCE
from certrules.formats.refusals import Reason, RefusedError
from tests.scenes.openedx import READ_AT
from tests.scenes.story_of_samples import delivered, name, story

ENVELOPES = [delivered(detail) for detail in story()]
ENVELOPE = next(delivered(detail) for detail in story() if name(detail) == "passing-status-updated")
DETAIL = ENVELOPE["detail"]


def _cloud_event(event: dict[str, Any]) -> dict[str, Any]:
    metadata, *_ = event["detail"].values()
    attributes = {"specversion": "1.0", "id": metadata["id"], "type": metadata["event_type"]}
    data = {key: value for key, value in event["detail"].items() if key != "metadata"}
    return {**attributes, "time": metadata["time"], "source": f"/{metadata['source']}", "data": data}


def _sns(event: Any) -> dict[str, Any]:
    return {
        "Type": "Notification",
        "MessageId": "m",
        "TopicArn": "arn:aws:sns:eu-west-1:1:t",
        "Message": json.dumps(event),
    }


WRAPPED: Mapping[str, Callable[[dict[str, Any]], Any]] = {
    "detail as text": lambda event: event | {"detail": json.dumps(event["detail"])},
    "detail as text twice": lambda event: event | {"detail": json.dumps(json.dumps(event["detail"]))},
    "text": json.dumps,
    "a list of one": lambda event: [event],
    "SNS": _sns,
    "SNS over SQS": lambda event: {"Records": [{"messageId": "1", "body": json.dumps(_sns(event))}]},
    "SQS for Lambda": lambda event: {"Records": [{"messageId": "1", "body": json.dumps(event)}]},
    "SNS for Lambda": lambda event: {"Records": [{"EventSource": "aws:sns", "Sns": {"Message": json.dumps(event)}}]},
    "Kinesis for Lambda": lambda event: {
        "Records": [{"kinesis": {"data": base64.b64encode(json.dumps(event).encode()).decode()}}]
    },
    "one record of SQS": lambda event: {"messageId": "1", "body": json.dumps(event)},
    "a received message": lambda event: {"MessageId": "1", "Body": json.dumps(event)},
    "an entry of PutEvents": lambda event: {
        "Source": event["source"],
        "DetailType": event["detail-type"],
        "Detail": json.dumps(event["detail"]),
    },
    "a CloudEvent": _cloud_event,
    "a CloudEvent with the whole event": lambda event: {"specversion": "1.0", "data": event["detail"]},
    "a CloudEvent in base64": lambda event: {
        "specversion": "1.0",
        "data_base64": base64.b64encode(json.dumps(event["detail"]).encode()).decode(),
    },
    "metadata as text": lambda event: event["detail"] | {"metadata": json.dumps(event["detail"]["metadata"])},
    "all as text": lambda event: {key: json.dumps(value) for key, value in event["detail"].items()},
}


def refusal_of(body: object) -> RefusedError:
    with pytest.raises(RefusedError) as raised:
        decode(body if isinstance(body, str) else json.dumps(body), READ_AT)
    return raised.value


@pytest.mark.parametrize("wrap", WRAPPED.values(), ids=WRAPPED)
@pytest.mark.parametrize("event", ENVELOPES, ids=lambda event: name(event["detail"]))
def test_a_wrapped_event_is_read_as_it_is_alone(wrap: Callable[[dict[str, Any]], Any], event: dict[str, Any]) -> None:
    alone, wrapped = decode(json.dumps(event), READ_AT), decode(json.dumps(wrap(event)), READ_AT)
    assert alone is not None
    assert wrapped is not None
    assert wrapped._replace(sent_at=alone.sent_at) == alone


@given(st.lists(st.sampled_from([*WRAPPED]), max_size=3))
def test_wrappings_may_be_inside_each_other(names: list[str]) -> None:
    body: Any = DETAIL
    for wrapping in names:
        if wrapping in {"text", "a list of one", "SNS", "SQS for Lambda", "one record of SQS"}:
            body = WRAPPED[wrapping](body)
    message = decode(json.dumps(body), READ_AT)
    assert message is not None
    assert message.event_id == DETAIL["metadata"]["id"]


@pytest.mark.parametrize("body", ["\ufeff" + json.dumps(ENVELOPE), ("\ufeff" + json.dumps(ENVELOPE)).encode()])
def test_a_mark_of_byte_order_is_passed_over(body: str | bytes) -> None:
    assert decode(body, READ_AT) == decode(json.dumps(ENVELOPE), READ_AT)


@pytest.mark.parametrize("wrap", WRAPPED.values(), ids=WRAPPED)
def test_an_event_of_this_service_is_ignored_in_any_wrapping(wrap: Callable[[dict[str, Any]], Any]) -> None:
    published = next(delivered(detail) for detail in story() if name(detail) == "certificate-created")
    metadata = published["detail"]["metadata"] | {"source": OWN_SOURCE}
    own = published | {"source": OWN_SOURCE, "detail": published["detail"] | {"metadata": metadata}}
    assert decode(json.dumps(wrap(own)), READ_AT) is None


@pytest.mark.parametrize(
    ("body", "reason", "named"),
    [
        ([ENVELOPE, ENVELOPE], Reason.WRONG_FORM, "a list of events: it holds 2"),
        ({"Records": [{"body": "{}"}, {"body": "{}"}]}, Reason.WRONG_FORM, "an event of a Lambda function: it holds 2"),
        ({"Records": []}, Reason.WRONG_FORM, "it holds 0"),
        ({"Records": [{"eventSource": "aws:s3", "s3": {}}]}, Reason.WRONG_FORM, "records of aws:s3"),
        ({"eventSource": "aws:kafka", "records": {"t-0": []}}, Reason.WRONG_FORM, "a batch of Kafka"),
        ({"name": "edx.course.grade.now_passed", "data": {}}, Reason.WRONG_FORM, "tracking log"),
        ({"event_type": "problem_check", "event_source": "server"}, Reason.WRONG_FORM, "tracking log"),
        ('2026-05-23 INFO 20 [tracking] logger.py:41 - {"name": "edx.x"}', Reason.WRONG_FORM, "tracking log"),
        ({"actor": {}, "verb": {}, "object": {}}, Reason.WRONG_FORM, "xAPI"),
        ({"requestContext": {}, "body": "{}"}, Reason.WRONG_FORM, "API Gateway"),
        ({"type": "x", "event_data": "AA=="}, Reason.WRONG_FORM, "Redis"),
        (
            {"specversion": "1.0", "datacontenttype": "application/avro", "data": "x"},
            Reason.WRONG_FORM,
            "datacontenttype",
        ),
        ({"specversion": "1.0", "data_base64": "*"}, Reason.WRONG_FORM, "base64"),
        ({"specversion": "1.0"}, Reason.WRONG_FORM, "'data'"),
        (_cloud_event(ENVELOPE) | {"id": None}, Reason.WRONG_TYPE, "null"),
        ({"course_passing_status": DETAIL["course_passing_status"]}, Reason.MISSING_FIELD, "Kafka"),
        (
            json.dumps(json.dumps(json.dumps(json.dumps(json.dumps(json.dumps(json.dumps({})))))))[:-1],
            Reason.NOT_JSON,
            "",
        ),
    ],
)
def test_what_can_not_be_unwrapped_is_refused_by_its_name(body: object, reason: Reason, named: str) -> None:
    refusal = refusal_of(body)
    assert refusal.reason is reason
    assert named in refusal.fix


@pytest.mark.parametrize("attribute", ["id", "type", "time", "source"])
def test_a_cloud_event_without_an_attribute_is_refused_by_its_name(attribute: str) -> None:
    event = {key: value for key, value in _cloud_event(ENVELOPE).items() if key != attribute}
    assert f"its attribute {attribute!r}" in refusal_of(event).fix


def test_wrappings_have_an_end() -> None:
    body: Any = DETAIL
    for _ in range(7):
        body = {"messageId": "1", "body": body}
    assert "more than 6 wrappings" in refusal_of(body).fix


def test_the_wrappings_of_the_field_are_read_or_named(shared_data: Path) -> None:
    bodies = (shared_data / "field" / "23-envelopes" / "events.jsonl").read_text().splitlines()[14:]
    read = []
    for body in bodies:
        try:
            message = decode(body, READ_AT.replace(year=2027))
        except RefusedError as refusal:
            read.append(refusal.reason.value)
        else:
            read.append("" if message is None else str(message.learner_id))
    assert read == [*map(str, range(1, 10)), "missing_field", "source_not_trusted", "12", "13"]

"""Did it arrive? What is known of each consumer of status changes, on a page, at the API and by a command."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from certrules.support.consumers import MOST_RULES, takes_own
from tests.scenes.commands import certs
from tests.scenes.grading_jobs import class_of
from tests.scenes.scene import OWN_EVENTS, Learner, Scene, Wire, day
from tests.scenes.support_client import Client, about
from tests.scenes.support_commands import _cloud_in_folder, address

__all__ = ["_cloud_in_folder", "address"]

pytestmark = pytest.mark.filterwarnings("ignore:No application metrics to publish")


@contextmanager
def consumer(scene: Scene, name: str, pattern: dict[str, Any]) -> Iterator[None]:
    """A rule whose queue there is not, with the stack's dead letters, for a while."""
    bus, events = scene.cloud.physical("Bus"), scene.client("events")
    gone = f"arn:aws:sqs:eu-west-1:123456789012:{name}-gone"
    dead_letters = scene.cloud.outputs["ConsumerDeadLettersArn"]
    events.put_rule(Name=name, EventBusName=bus, EventPattern=json.dumps(pattern), Description="The academy.")
    target = {"Id": "1", "Arn": gone, "DeadLetterConfig": {"Arn": dead_letters}}
    events.put_targets(Rule=name, EventBusName=bus, Targets=[target])
    try:
        yield
    finally:
        events.remove_targets(Rule=name, EventBusName=bus, Ids=["1"])
        events.delete_rule(Name=name, EventBusName=bus)


def overview(client: Client) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return all that is known, and the consumers by their rules."""
    found = client.get("/v1/consumers")
    assert found.status == 200, found.body
    return found.body, {one["rule"]: one for one in found.body["consumers"]}


def award(scene: Scene, learner: Learner) -> None:
    scene.ingest(*learner.qualifying())
    scene.cloud.deliver()


def test_a_consumer_that_is_reached_and_one_that_is_not_are_distinguished(
    scene: Scene, learner: Learner, support_client: Client
) -> None:
    _, before = overview(support_client)
    with consumer(scene, "academy", {"source": ["course-certificates"]}):
        award(scene, learner)
        found, by_rule = overview(support_client)
        page = support_client.get("/consumers").body
    reached, missed = by_rule[OWN_EVENTS], by_rule["academy"]
    assert reached["sent"] - before.get(OWN_EVENTS, {"sent": 0})["sent"] == 2
    assert (reached["failed"], reached["dead_letters"]) == (0, 0)
    (target,) = reached["targets"]
    assert (target["waits"], target["dead_letters"]) == (2, None)
    assert target["oldest"] <= found["until"]
    assert (missed["sent"], missed["failed"], missed["dead_letters"]) == (2, 2, 2)
    assert found["since"] <= missed["failing_since"] <= missed["dead_since"] <= found["until"]
    assert (found["undelivered"], found["looked_at"]) == (2, 2)
    assert found["published"] >= 2
    assert "fails" in page
    assert "no dead letters: what fails is lost" in page
    assert "What can't be known here" in page
    assert "The academy." in page
    assert len(scene.queued("ConsumerDeadLetters")) == 2  # they were only looked at


def test_the_case_names_the_consumer_that_its_own_change_did_not_reach(
    scene: Scene, learner: Learner, support_client: Client
) -> None:
    mine, other = class_of(2, learner)
    with consumer(scene, "academy", {"source": ["course-certificates"]}):
        award(scene, mine)
    award(scene, other)
    case = support_client.case(mine)
    assert case["undelivered"] == 2
    assert {(one["rule"], one["event_type"].rpartition("certificate.")[2]) for one in case["missed"]} == {
        ("academy", "created.v1"), ("academy", "changed.v1"),
    }  # fmt: skip
    assert "Not delivered to <strong>academy</strong>" in support_client.get("/case", **about(mine)).body
    assert support_client.case(other)["missed"] == []
    assert "none of this certificate is among them" in support_client.get("/case", **about(other)).body
    assert support_client.case(mine, as_of=day(2).isoformat())["missed"] is None


def test_what_cannot_be_read_in_the_dead_letters_is_of_nobody(
    scene: Scene, learner: Learner, support_client: Client
) -> None:
    queue = scene.cloud.physical("ConsumerDeadLetters")
    for body in ("{}", "no JSON", "[]", '{"detail": {"certificate": {"user": 1}}}'):
        scene.client("sqs").send_message(QueueUrl=queue, MessageBody=body)
    found, by_rule = overview(support_client)
    assert (found["undelivered"], found["looked_at"]) == (4, 4)
    assert all(one["dead_letters"] == 0 for one in by_rule.values())
    assert support_client.case(learner)["missed"] == []


def test_rules_that_take_nothing_of_this_service_are_no_consumers(support_client: Client) -> None:
    _, by_rule = overview(support_client)
    assert not [name for name in by_rule if "IngestRule" in name or "Archive" in name]
    assert OWN_EVENTS in by_rule


@pytest.mark.parametrize(
    ("source", "takes"),
    [
        (None, True),
        (["course-certificates"], True),
        (["openedx/lms/web"], False),
        ([{"prefix": "course"}], True),
        ([{"prefix": "openedx"}], False),
        ([{"anything-but": "course-certificates"}], False),
        ([{"anything-but": ["a", "course-certificates"]}], False),
        ([{"anything-but": ["a"]}], True),
        ([{"anything-but": {"prefix": "course"}}], False),
        ([{"anything-but": {"prefix": "openedx"}}], True),
        ([{"wildcard": "course*"}], True),
        (["a", {"prefix": "c"}], True),
    ],
)
def test_a_consumer_is_a_rule_whose_sources_have_this_service(source: Any, takes: bool) -> None:
    assert takes_own(json.dumps({} if source is None else {"source": source})) is takes


def test_the_overview_costs_a_bounded_number_of_requests(scene: Scene, wire: Wire, support_client: Client) -> None:
    events, bus = scene.client("events"), scene.cloud.physical("Bus")
    names = [f"many-{number:02}" for number in range(MOST_RULES)]
    for name in names:
        events.put_rule(Name=name, EventBusName=bus, EventPattern='{"source": ["course-certificates"]}')
    queue = scene.cloud.physical("ConsumerDeadLetters")
    for number in range(60):
        scene.client("sqs").send_message(QueueUrl=queue, MessageBody=json.dumps({"number": number}))
    try:
        before = wire.operations()
        found, by_rule = overview(support_client)
        made = wire.operations() - before
    finally:
        for name in names:
            events.delete_rule(Name=name, EventBusName=bus)
    assert len(by_rule) == MOST_RULES
    assert found["left"] >= 1
    assert (found["undelivered"], found["looked_at"]) == (60, 50)
    assert made.pop("ListTargetsByRule") == MOST_RULES
    assert sum(made.values()) <= 10, json.dumps(made)


def test_a_command_shows_the_same(scene: Scene, learner: Learner, support_client: Client) -> None:
    award(scene, learner)
    shown = certs("consumers")
    assert shown.exit_code == 0, shown.stderr
    assert OWN_EVENTS in shown.stdout
    assert "Not known here: Whether a consumer read" in shown.stdout
    answer = json.loads(certs("consumers", "--days", "7", "--json").stdout)
    assert answer.keys() == overview(support_client)[0].keys()


@pytest.mark.parametrize("days", ["0", "8", "x", "1.5"])
def test_days_that_there_are_not_are_refused(support_client: Client, days: str) -> None:
    assert support_client.get("/v1/consumers", days=days).status == 422
    assert support_client.get("/consumers", days=days).status == 422

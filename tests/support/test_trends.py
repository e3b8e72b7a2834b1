"""Awards and losses by week: counted from the index of transitions, remembered, and within a ceiling of requests."""

import csv
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest

from certrules import aws, storage
from certrules.storage import WEEK, monday_of
from certs.sources.event_builders import Detail
from tests.scenes.commands import certs
from tests.scenes.grading_jobs import class_of
from tests.scenes.scene import Learner, Scene, Wire
from tests.scenes.support_client import Client
from tests.scenes.support_commands import _cloud_in_folder, address

__all__ = ["_cloud_in_folder", "address"]

pytestmark = pytest.mark.filterwarnings("ignore:No application metrics to publish")

THEN = monday_of(aws.now()) - 3 * WEEK
"""The Monday of the week in which certificates are earned; one is lost in the next."""

AWARDED_IN, LOST_IN = f"{THEN:%Y-%m-%d}", f"{THEN + WEEK:%Y-%m-%d}"
LATER = THEN + WEEK + timedelta(days=1)


@pytest.fixture(autouse=True)
def _nothing_is_counted(scene: Scene) -> None:
    scene.empty_tables("CertificatesTable", "HistoryTable", "SupportTable")


def qualifying(learner: Learner) -> list[Detail]:
    return [
        learner.configured(THEN), learner.enrolled(THEN), learner.id_approved(THEN),
        learner.passing(THEN + timedelta(days=2)),
    ]  # fmt: skip


@pytest.fixture
def three_awards(scene: Scene, learner: Learner) -> list[Learner]:
    """Three certificates of one week, of which a person invalidates one in the next."""
    learners = class_of(3, learner)
    for one in learners:
        scene.ingest(*qualifying(one))
    scene.ingest(learners[0].invalidated(LATER))
    return learners


def weeks(client: Client, **query: object) -> dict[str, dict[str, Any]]:
    answer = client.get("/v1/transitions/weeks", **query)
    assert answer.status == 200, answer.body
    return {week["week"]: week for week in answer.body["weeks"]}


@pytest.mark.usefixtures("three_awards")
def test_awards_and_losses_are_counted_by_week_and_cause(support_client: Client) -> None:
    found = weeks(support_client)
    assert len(found) == 12
    assert all(week["complete"] and week["counted_at"] for week in found.values())
    assert {name: week["awarded"] for name, week in found.items() if week["awarded"]} == {AWARDED_IN: 3}
    assert {name: week["lost_by_cause"] for name, week in found.items() if week["lost"]} == {
        LOST_IN: [{"value": "invalidated", "count": 1}]
    }


@pytest.mark.usefixtures("three_awards")
def test_counting_is_bounded_and_remembered(support_client: Client, wire: Wire) -> None:
    weeks(support_client)
    wire.sent.clear()
    weeks(support_client, fresh="true")
    assert wire.operations() == {"GetItem": 1, "Query": storage.TRANSITION_SHARDS, "PutItem": 1}
    wire.sent.clear()
    weeks(support_client)
    assert wire.operations() == {"GetItem": 1}


def test_what_comes_late_is_in_its_week_when_that_is_counted_again(
    scene: Scene, three_awards: list[Learner], support_client: Client
) -> None:
    weeks(support_client)
    scene.ingest(three_awards[1].invalidated(LATER))
    assert weeks(support_client)[LOST_IN]["lost"] == 1  # remembered
    assert weeks(support_client, fresh="true")[LOST_IN]["lost"] == 2
    scene.ingest(three_awards[2].invalidated(LATER))
    with trends_of(scene) as trends:
        found = trends.weeks_of(aws.now() + timedelta(days=3), 12)  # more than a tenth of its age goes by
    assert [week["lost"] for week in found if week["week"] == LOST_IN] == [3]


@contextmanager
def trends_of(scene: Scene) -> Iterator[Any]:
    """Yield the support function's own module that counts."""
    with scene.cloud.functions["SupportFunction"].running():
        yield scene.module("SupportFunction", "certrules.support.trends")


@pytest.mark.usefixtures("three_awards")
def test_what_is_too_much_for_one_page_is_counted_by_the_next(
    scene: Scene, support_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    weeks(support_client)
    scene.empty_tables("SupportTable")
    seen = []
    with trends_of(scene) as trends:
        monkeypatch.setattr(scene.module("SupportFunction", "certrules.storage.transitions"), "_ENTRIES_A_REQUEST", 1)
        monkeypatch.setattr(trends, "MOST_REQUESTS", storage.TRANSITION_SHARDS)
        for _ in range(12):
            found = trends.weeks_of(aws.now(), 5)
            seen.append([week["counted_at"] is not None for week in found])
            if all(seen[-1]):
                break
    assert seen[0] != seen[-1] == [True] * 5
    assert sum(week["lost"] for week in found) == 1


@pytest.mark.usefixtures("three_awards")
def test_the_page_draws_what_its_table_has(support_client: Client) -> None:
    page = support_client.get("/trends").body
    assert re.findall(r'aria-label="Week of ([\d-]+): (\d+) (\w+)"', page) == [
        (AWARDED_IN, "3", "awards"), (LOST_IN, "1", "losses"),
    ]  # fmt: skip
    after = f"{THEN + WEEK:%Y-%m-%d}"
    assert f"/transitions?since={AWARDED_IN}T00%3A00&amp;until={after}T00%3A00&amp;change=awarded" in page
    assert "invalidated by a person" in page
    assert "<h1>Trends</h1>" in support_client.get("/trends", weeks="no number").body


def test_a_deployment_without_transitions_has_a_page(support_client: Client) -> None:
    page = support_client.get("/trends").body
    assert "<svg" not in page
    assert "not counted yet" not in page


def test_a_number_of_weeks_that_there_is_not_is_refused(support_client: Client) -> None:
    for query in ({"weeks": "0"}, {"weeks": "27"}, {"weeks": "x"}, {"fresh": "perhaps"}):
        assert support_client.get("/v1/transitions/weeks", **query).status == 422, query


@pytest.mark.usefixtures("three_awards", "address")
def test_the_command_shows_what_the_api_answers(support_client: Client) -> None:
    answer = support_client.get("/v1/transitions/weeks", weeks=4).body
    assert json.loads(certs("trends", "--weeks", "4", "--json").output) == answer
    assert "invalidated 1" in certs("trends", "--weeks", "4").output
    rows = list(csv.DictReader(StringIO(certs("trends", "--weeks", "4", "--csv", "-").stdout)))
    assert [row["awarded"] for row in rows if row["week"] == AWARDED_IN] == ["3"]

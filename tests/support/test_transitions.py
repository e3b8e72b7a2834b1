"""Transitions of all course runs: by time, actor, cause, kind and course run, as pages and files, within a ceiling."""

import csv
import json
from collections.abc import Callable
from io import StringIO
from typing import Any

import pytest

from certrules import storage
from certrules.core.terms import Cause
from tests.scenes.commands import certs
from tests.scenes.grading_jobs import broken, class_of, earn
from tests.scenes.scene import Learner, Scene, Wire, day
from tests.scenes.support_client import Client, about
from tests.scenes.support_commands import _cloud_in_folder, address

__all__ = ["_cloud_in_folder", "address"]

pytestmark = pytest.mark.filterwarnings("ignore:No application metrics to publish")


@pytest.fixture(autouse=True)
def _nothing_is_listed(scene: Scene) -> None:
    scene.empty_tables()


EVER = {"since": "2026-01-01T00:00:00Z"}


def listed(client: Client, **query: object) -> list[dict[str, Any]]:
    """Return all transitions of a filter, of all pages."""
    answer = client.get("/v1/transitions", **EVER, **query)
    assert answer.status == 200, answer.body
    found = answer.body["transitions"]
    while answer.body["next"] is not None:
        answer = client.get("/v1/transitions", **EVER, **query, cursor=answer.body["next"])
        found += answer.body["transitions"]
    return list(found)


@pytest.fixture
def two_runs(scene: Scene, learner: Learner) -> tuple[Learner, Learner]:
    """One earns a certificate on day 3 that a person invalidates on day 6; another earns one elsewhere."""
    elsewhere = Learner(learner.learner_id + 1, f"{learner.course_run}-other")
    scene.ingest(*learner.qualifying())
    scene.ingest(learner.invalidated(day(6)))
    scene.ingest(*elsewhere.qualifying())
    return learner, elsewhere


def test_transitions_of_all_course_runs_are_listed_newest_first(
    two_runs: tuple[Learner, Learner], support_client: Client
) -> None:
    one, other = two_runs
    found = listed(support_client)
    assert [(row["learner_id"], row["change"], row["cause"]) for row in found[:1]] == [
        (one.learner_id, "lost", "invalidated")
    ]
    assert {(row["learner_id"], row["course_run"], row["change"]) for row in found[1:]} >= {
        (one.learner_id, one.course_run, "awarded"),
        (other.learner_id, other.course_run, "awarded"),
    }
    assert [row["at"] for row in found] == sorted((row["at"] for row in found), reverse=True)


@pytest.mark.parametrize(
    ("query", "takes"),
    [
        ({"change": "lost"}, lambda row: row["change"] == "lost"),
        ({"change": "awarded"}, lambda row: row["change"] == "awarded"),
        ({"cause": "invalidated"}, lambda row: row["cause"] == "invalidated"),
        ({"previous": "none"}, lambda row: row["previous"] is None),
        ({"previous": "downloadable"}, lambda row: row["previous"] == "downloadable"),
        ({"status": "unavailable"}, lambda row: row["status"] == "unavailable"),
        ({"actor": "Ada", "change": "lost"}, lambda row: row["by"] == "ada"),
        ({"until": "2026-01-04T00:00:00Z"}, lambda row: row["at"] < "2026-01-04"),
    ],
)
def test_each_filter_takes_what_it_names(
    two_runs: tuple[Learner, Learner],
    support_client: Client,
    query: dict[str, str],
    takes: Callable[[dict[str, Any]], bool],
) -> None:
    everything = listed(support_client)
    assert {row["course_run"] for row in everything} == {one.course_run for one in two_runs}
    assert listed(support_client, **query) == [row for row in everything if takes(row)] != []
    assert listed(support_client, **{**query, "actor": "bob"}) == []


def test_a_course_run_has_its_own(two_runs: tuple[Learner, Learner], support_client: Client) -> None:
    _, other = two_runs
    assert {row["learner_id"] for row in listed(support_client, course_run=other.course_run)} == {other.learner_id}
    assert support_client.get("/v1/transitions", course_run="course-v1:No+Such+Run").status == 404


def test_what_a_person_caused_is_found_by_them(scene: Scene, learner: Learner, support_client: Client) -> None:
    scene.ingest(*learner.qualifying())
    support_client.act("invalidate", learner)
    (lost,) = listed(support_client, actor="ADA", change="lost")
    assert (lost["by"], lost["learner_id"]) == ("ada", learner.learner_id)


def test_a_held_revocation_is_listed_and_changes_no_status(
    scene: Scene, learner: Learner, support_client: Client
) -> None:
    learners = broken(scene, learner, 3)
    found = listed(support_client, change="held")
    assert {(row["learner_id"], row["cause"], row["status"]) for row in found} == {
        (one.learner_id, Cause.GRADE_FELL, "downloadable") for one in learners
    }


def test_pages_of_one_instant_lose_nobody(scene: Scene, learner: Learner, support_client: Client) -> None:
    learners = class_of(130, learner)
    scene.ingest(learner.configured(day(1)))
    for one in learners:
        scene.ingest(*one.qualifying()[1:])
    found = [row["learner_id"] for row in listed(support_client, change="awarded", course_run=learner.course_run)]
    assert (len(found), set(found)) == (130, {one.learner_id for one in learners})
    place: str | None = None
    keys: list[str] = []
    for _ in range(200):
        page, place = storage.transitions(day(1), day(5), place, 2)
        keys += [one.key for one in page]
        if place is None:
            break
    assert len(keys) == len(set(keys)) >= 130


def test_a_page_costs_a_request_a_shard(scene: Scene, learner: Learner, support_client: Client, wire: Wire) -> None:
    earn(scene, class_of(3, learner))
    listed(support_client)
    wire.sent.clear()
    support_client.get("/v1/transitions", **EVER)
    assert wire.operations() == {"Query": storage.TRANSITION_SHARDS}


def test_what_nobody_can_mean_is_refused_with_the_fix(support_client: Client) -> None:
    for query in (
        {"cause": "bad luck"},
        {"change": "stolen"},
        {"status": "gone"},
        {"previous": "before"},
        {"cursor": "12"},
        {"since": "2026-05-02T00:00:00Z", "until": "2026-05-01T00:00:00Z"},
        {"course_run": "no key"},
    ):
        answer = support_client.get("/v1/transitions", **query)
        assert (answer.status, bool(answer.body["fix"])) == (422, True), query


def test_items_of_an_earlier_release_are_not_listed_and_harm_nothing(
    scene: Scene, learner: Learner, support_client: Client
) -> None:
    scene.ingest(*learner.qualifying())
    client, table = scene.client("dynamodb"), scene.cloud.physical("HistoryTable")
    for item in scene.items("HistoryTable"):
        client.put_item(TableName=table, Item={name: item[name] for name in ("p", "s", "b")})
    assert listed(support_client) == []
    scene.ingest(learner.invalidated(day(6)))
    assert [row["change"] for row in listed(support_client)] == ["lost"]
    assert "Certificate set to" in support_client.get("/case", **about(learner)).body


def test_the_list_is_a_page_and_a_file(two_runs: tuple[Learner, Learner], support_client: Client) -> None:
    one, _ = two_runs
    page = support_client.get("/transitions", since="2026-01-01T00:00", change="lost").body
    assert "invalidated by a person" in page
    assert f"/case?learner_id={one.learner_id}" in page
    assert "Nothing of that changed" in support_client.get("/transitions", actor="bob").body
    answer = support_client.get("/transitions.csv", since="2026-01-01T00:00", change="lost")
    (row,) = csv.DictReader(StringIO(answer.body))
    assert (row["learner_id"], row["cause"]) == (str(one.learner_id), "invalidated")
    assert support_client.get("/transitions", cause="luck").status == 422


def test_who_may_not_view_sees_nothing(scene: Scene) -> None:
    assert Client(scene, scopes=("act",)).ask("GET", "/v1/transitions").status == 403


@pytest.mark.usefixtures("address")
def test_the_command_lists_what_the_api_answers(two_runs: tuple[Learner, Learner], support_client: Client) -> None:
    one, _ = two_runs
    query = ("--since", EVER["since"], "--change", "lost")
    answer = certs("transitions", *query, "--json")
    assert json.loads(answer.output) == support_client.get("/v1/transitions", **EVER, change="lost").body
    assert "downloadable > unavailable" in certs("transitions", *query).output
    (row,) = csv.DictReader(StringIO(certs("transitions", *query, "--csv", "-").stdout))
    assert row["learner_id"] == str(one.learner_id)

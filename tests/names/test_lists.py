"""Names in lists: usernames that are pasted, and usernames beside the ids of the lists that pages show."""

from collections.abc import Iterator

import msgspec
import pytest

from certrules.core.fact_types import Fact
from localcloud import LocalCloud
from tests.scenes.bulk_runs import revocable
from tests.scenes.grading_jobs import broken
from tests.scenes.named_learners import EMAIL, WITH_NAMES, erased, named, with_pii
from tests.scenes.platform_accounts import CLIENT, Platform, serving
from tests.scenes.scene import TEMPLATE, Learner, Scene, day
from tests.scenes.support_client import Client, about

pytestmark = pytest.mark.filterwarnings("ignore:No application metrics to publish")

SECRET = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:lms-client"
ADA = 42
"""The learner whom the platform has under the e-mail, and the username ada."""


@pytest.fixture(scope="module")
def platform() -> Iterator[Platform]:
    with serving() as platform:
        yield platform


@pytest.fixture(scope="module")
def stack(platform: Platform) -> Iterator[Scene]:
    parameters = {**WITH_NAMES, "PlatformUrl": platform.url, "PlatformCredentialsSecret": SECRET}
    with LocalCloud(TEMPLATE, parameters) as cloud:
        cloud.client("secretsmanager").create_secret(
            Name="lms-client", SecretString=msgspec.json.encode(CLIENT).decode()
        )
        yield Scene(cloud)


@pytest.fixture(autouse=True)
def _nothing_is_known(scene: Scene) -> None:
    scene.empty_tables("CertificatesTable", "HistoryTable", "SupportTable")


def test_a_pasted_list_may_name_learners_as_whoever_wrote_it_did(scene: Scene, learner: Learner) -> None:
    bea, ada = learner, Learner(ADA, learner.course_run)
    twin = Learner(learner.learner_id + 1, learner.course_run)
    scene.ingest(
        learner.configured(day(1)),
        with_pii(bea.enrolled(day(1)), "Bea", "Bea B."),
        ada.enrolled(day(1)),
        with_pii(twin.enrolled(day(1)), "ADA", "Ada of long ago"),
    )
    text = f"username,notes\nbEA,lab 3\n{EMAIL}\nnobody\nada\n{bea.learner_id}"
    body = {"act": "allowlist-add", "course_run": learner.course_run, "text": text, "reason": "ticket 12"}
    found = Client(scene).post("/v1/lists/preview", **body).body
    assert [(line["written"], line["learner_id"], line["accepted"]) for line in found["lines"]] == [
        ("bEA", bea.learner_id, True),
        (EMAIL, ADA, True),
        ("nobody", None, False),
        ("ada", None, False),
        (str(bea.learner_id), bea.learner_id, False),
    ]
    refused = {line["written"]: f"{line['sentence']}: {line['fix']}" for line in found["lines"]}
    assert "no learner is known by this name: it was looked for in any case" in refused["nobody"]
    assert f"write the id of the right one: {ADA}, {twin.learner_id}" in refused["ada"]
    assert "line 2 names the same learner" in refused[str(bea.learner_id)]

    done = Client(scene).post("/v1/lists/act", **body, seen=found["seen"])
    scene.cloud.deliver()
    assert (done.status, done.body["accepted"]) == (202, 2)
    assert [scene.facts_stored(one)[Fact.ALLOWLIST] for one in (bea, ada, twin)] == [1, 1, 0]
    assert "bEA" not in repr(scene.items("SupportTable"))
    assert EMAIL not in repr([scene.items(name) for name in ("SupportTable", "CertificatesTable", "HistoryTable")])


def test_the_page_of_a_pasted_list_has_the_name_beside_the_id(scene: Scene, learner: Learner) -> None:
    scene.ingest(learner.configured(day(1)), with_pii(learner.enrolled(day(1)), "Bea", "Bea B."))
    fields = {"act": "allowlist-add", "course_run": learner.course_run, "reason": "ticket 12"}
    for text in ("bEA", str(learner.learner_id)):
        asked = Client(scene).form("/lists/preview", "same-origin", **fields, text=text)
        assert (asked.status, f">{learner.learner_id}</a>" in asked.body) == (200, True)
        assert "Bea</span>" in asked.body or " bEA<" in asked.body


def test_lists_of_learners_show_their_usernames_until_they_are_erased(scene: Scene, learner: Learner) -> None:
    learners = broken(scene, learner, 2)
    falling = Learner(learner.learner_id, f"{learner.course_run}_Fall")
    planned = revocable(scene, falling, 2)
    for number, one in enumerate([*learners, *planned]):
        scene.ingest(named(one, day(20), f"learner-{number % 2}", ""))
    ada = Client(scene)
    run = ada.post("/v1/regenerations", course_runs=[falling.course_run], reason="new policy").body["id"]
    scene.cloud.deliver()
    pages = [
        ("/course-run", {"course_run": learner.course_run}),
        ("/course-run/learners", {"course_run": learner.course_run}),
        ("/revocations", {}),
        ("/regeneration/plan", {"id": run}),
        ("/case", about(learners[0])),
    ]
    for path, query in pages:
        assert "learner-0" in ada.get(path, **query).body, path
    scene.ingest(*(erased(one, day(21)) for one in learners))
    for path, query in pages:
        assert "learner-0" not in ada.get(path, **query).body, path

"""`certs doctor` shows what arrived of which type and when last, and names what never came."""

import json
from pathlib import Path
from uuid import uuid4

import pytest

from certrules.decide_again import request_for
from certrules.formats.messages import SUPPORT_SOURCE
from certs import stacks
from certs.doctor import MISSING
from certs.sources import event_builders
from tests.scenes.commands import certs
from tests.scenes.published import sent
from tests.scenes.scene import Learner, Scene, day


@pytest.fixture
def _near(scene: Scene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The local cloud is up in this folder."""
    monkeypatch.chdir(tmp_path)
    note = stacks.Stack("", "", aws={"region_name": "eu-west-1"}, outputs=scene.cloud.outputs)
    Path(stacks.NOTE).write_text(json.dumps({name: getattr(note, name) for name in stacks.Stack.__slots__}))


@pytest.mark.usefixtures("_near")
def test_what_arrived_is_counted_by_type_and_what_never_came_is_named(scene: Scene, learner: Learner) -> None:
    assert certs("doctor").exit_code == MISSING

    first, *rest = learner.qualifying()
    scene.ingest(first, *rest)
    scene.ingest(*rest)  # a copy arrives as well
    scene.cloud.deliver()

    shown = certs("doctor")
    assert "Never came:" in shown.stdout
    assert "certificates.learner.erased.v1" in shown.stdout.partition("Never came:")[2]
    answer = json.loads(certs("doctor", "--json").stdout)
    passing = answer["event_types"]["org.openedx.learning.course.passing.status.updated.v1"]
    assert passing["count"] == 2
    assert passing["last"] is not None
    assert answer["event_types"]["certificates.learner.erased.v1"] == {"count": 0, "last": None}
    assert answer["parked"] == 0


@pytest.mark.usefixtures("_near")
def test_what_this_service_sends_to_itself_has_not_arrived_from_the_platform(scene: Scene, learner: Learner) -> None:
    def counted() -> dict[str, int]:
        types = json.loads(certs("doctor", "--json").stdout)["event_types"]
        names = ("certificates.generation.requested.v1", "certificates.course_run.configured.v1")
        return {name: types[name]["count"] for name in names}

    scene.ingest(learner.enrolled(day(1)))
    scene.cloud.deliver()
    before = counted()
    scene.ingest(request_for(learner.learner_id, learner.course_run, "sweep", day(4)))
    live = event_builders.configuration("course_run.configured", uuid4(), day(4), learner.course_run, rollout="live")
    live["metadata"]["source"] = SUPPORT_SOURCE
    scene.send(live, at=day(4))
    scene.cloud.deliver()

    assert counted() == before


@pytest.mark.usefixtures("_near")
def test_an_event_that_ingest_sends_to_itself_once_more_is_counted_once(scene: Scene, learner: Learner) -> None:
    def counted() -> int:
        types = json.loads(certs("doctor", "--json").stdout)["event_types"]
        return int(types["org.openedx.learning.idv_attempt.approved.v1"]["count"])

    before = counted()  # by other tests of the same stack
    approved = sent(learner.id_approved(day(1)))
    scene.ingest(approved)
    scene.ingest(approved, Echo="1")
    scene.cloud.deliver()

    assert counted() == before + 1

"""A program is found by its id or by the address of its page: its course runs, or with a learner, their programs."""

from collections.abc import Iterator
from uuid import UUID, uuid4

import pytest

from tests.records.scene import A1, B1, P1
from tests.records.seen_stack import Seen, seen_stack
from tests.records.service import Host
from tests.scenes.searches import found, opened
from tests.scenes.support_client import Client

pytestmark = pytest.mark.filterwarnings("ignore:No application metrics to publish")


@pytest.fixture(scope="module")
def seen(host: Host) -> Iterator[Seen]:
    with seen_stack(host) as found:
        yield found


def test_a_program_leads_to_its_course_runs_and_with_a_learner_to_their_programs(seen: Seen) -> None:
    client = Client(seen.scene)
    learner = seen.learner(A1, B1)
    alone = found(client, f"https://credentials.example.org/records/programs/{UUID(P1).hex}/")
    assert {A1, B1} <= {hit["course_run"] for hit in alone["hits"]}
    assert all("in the program Demo program (MicroMasters, active)" in hit["detail"] for hit in alone["hits"])
    assert "Add a learner's id or username to open their programs." in alone["further"][0]
    for text in (
        f"{learner.learner_id} {P1}",
        f"https://lms.example.org/dashboard/programs/{P1}/ {learner.learner_id}",
    ):
        assert opened(client, text) == ("program", learner.learner_id, None)
    hit = found(client, f"{learner.learner_id} {P1}")["opens"]
    assert hit["path"] == f"/learner?learner_id={learner.learner_id}#programs"
    assert opened(client, f"{P1} {A1}") == ("course_run", None, A1)


def test_an_id_that_is_no_programs_is_answered_with_what_was_looked_for(seen: Seen) -> None:
    missing = str(uuid4())
    assert found(Client(seen.scene), missing)["further"][0] == (
        f"No certificate, program, bulk revocation or act of the last seven days has the id {missing}."
    )

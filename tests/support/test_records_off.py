"""Without a Credentials service nothing of records is read, and that is stated."""

from certrules.core.deliveries.outcomes import Waiting
from tests.scenes.scene import Learner, Scene, Wire
from tests.scenes.support_client import Client, about


def test_where_records_are_off_the_calls_state_it(support_client: Client) -> None:
    calls = [
        support_client.get("/v1/learners/86/programs"),
        support_client.get("/v1/records", reason=Waiting.THROTTLED),
        support_client.post("/v1/records/retry", learner_id=86, reason="ticket 12"),
        support_client.post(
            "/v1/programs/preview",
            act="discard",
            learner_id=86,
            program="8a1b2c3d-0000-4000-8000-000000000001",
            reason="ticket 12",
        ),
    ]
    assert {(answer.status, answer.body["title"]) for answer in calls} == {(404, "records: off")}


def test_where_records_are_off_a_case_and_a_preview_read_nothing_more(
    scene: Scene, learner: Learner, support_client: Client, wire: Wire
) -> None:
    scene.ingest(*learner.qualifying())
    before = wire.operations()
    assert support_client.case(learner)["record"] is None
    answer = support_client.post("/v1/case/preview", act="invalidate", reason="ticket 12", **about(learner))
    assert (answer.body["takes_away"], answer.body["programs"]) == (True, None)
    made = wire.operations() - before
    assert (made["BatchGetItem"], made["Query"]) == (2, 2)  # the case, twice; its history and receipts

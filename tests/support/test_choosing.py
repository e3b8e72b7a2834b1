"""From chosen transitions to an act: the preview of lists for each course run, and nothing before it is confirmed."""

import re

import pytest

from tests.scenes.grading_jobs import broken
from tests.scenes.scene import Learner, Scene
from tests.scenes.support_client import Client, hidden_fields

pytestmark = pytest.mark.filterwarnings("ignore:No application metrics to publish")


@pytest.fixture(autouse=True)
def _nothing_is_listed(scene: Scene) -> None:
    scene.empty_tables("CertificatesTable", "HistoryTable", "SupportTable")


def rows_of(page: str) -> list[str]:
    """Return the values of the checkboxes of a page of transitions."""
    return re.findall(r'<input type="checkbox" name="row" value="([^"]+)"', page)


def chosen(client: Client, rows: list[str], act: str, reason: str = "ticket 12") -> str:
    answer = client.form("/transitions/chosen", row=rows, act=act, reason=reason)
    assert answer.status == 200, answer.body
    return str(answer.body)


def confirming(preview: str) -> dict[str, str]:
    """Return the fields of the form that does what the preview of a list shows."""
    start = preview.index('action="/lists/act"')
    return hidden_fields(preview[: preview.index("</form>", start)])


def test_chosen_held_revocations_are_discarded_after_the_preview(
    scene: Scene, learner: Learner, support_client: Client
) -> None:
    learners = broken(scene, learner, 3)
    rows = rows_of(support_client.get("/transitions", since="2026-01-01T00:00", change="held").body)
    assert len(rows) == 3
    kept = f"{learners[0].learner_id} {learner.course_run}"
    preview = chosen(support_client, [row for row in rows if row != kept], "discard")
    assert "Accepted: 2" in preview
    assert scene.stored_record(learners[1]).published.pending is not None
    assert support_client.form("/lists/act", **confirming(preview)).status == 200
    scene.cloud.deliver()
    assert [scene.stored_record(one).published.pending is None for one in learners] == [False, True, True]


def test_chosen_awards_are_invalidated_once_a_second_person_approves(
    scene: Scene, learner: Learner, support_client: Client
) -> None:
    scene.ingest(*learner.qualifying())
    rows = rows_of(support_client.get("/transitions", since="2026-01-01T00:00", change="awarded").body)
    preview = chosen(support_client, rows, "invalidate")
    assert "Ask a second person to invalidate 1" in preview
    support_client.form("/lists/act", **confirming(preview))
    (asked,) = support_client.get("/v1/revocations").body["revocations"]
    assert (asked["act"], asked["state"], list(asked["learners"])) == (
        "invalidate", "requested", [str(learner.learner_id)],
    )  # fmt: skip


def test_a_choice_from_several_course_runs_has_a_form_for_each(
    scene: Scene, learner: Learner, support_client: Client
) -> None:
    elsewhere = learner.elsewhere(f"{learner.course_run}-other")
    scene.ingest(*learner.qualifying())
    scene.ingest(*elsewhere.qualifying())
    rows = rows_of(support_client.get("/transitions", since="2026-01-01T00:00", change="awarded").body)
    page = chosen(support_client, [*rows, rows[0]], "invalidate")
    assert page.count('<form action="/lists/preview"') == 2
    answer = support_client.form("/lists/preview", **hidden_fields(page))
    assert "Ask a second person to invalidate 1" in answer.body


def test_what_can_not_be_chosen_is_refused(scene: Scene, learner: Learner, support_client: Client) -> None:
    scene.ingest(*learner.qualifying())
    row = f"{learner.learner_id} {learner.course_run}"
    for fields in (
        {"act": "invalidate", "reason": "ticket 12"},
        {"act": "allowlist-add", "reason": "ticket 12", "row": row},
        {"act": "invalidate", "reason": "", "row": row},
        {"act": "invalidate", "reason": "ticket 12", "row": f"x {learner.course_run}"},
        {"act": "invalidate", "reason": "ticket 12", "row": "86 no-key"},
    ):
        assert support_client.form("/transitions/chosen", **fields).status == 422, fields
    assert support_client.form("/transitions/chosen", "elsewhere", act="discard", row=row).status == 403


def test_who_may_only_view_chooses_nothing(scene: Scene, learner: Learner) -> None:
    scene.ingest(*learner.qualifying())
    page = Client(scene, scopes=("view",)).get("/transitions", since="2026-01-01T00:00").body
    assert "/case?learner_id=" in page
    assert rows_of(page) == []

"""A form that is refused loses nothing of what a person wrote: the page of the refusal has it, to be corrected."""

import re
from html import unescape
from typing import Any

import pytest

from tests.scenes.forms import Form, forms_of
from tests.scenes.scene import Learner, Scene, day
from tests.scenes.support_client import Client, Reported, about

pytestmark = pytest.mark.filterwarnings("ignore:No application metrics to publish")

WHY = "the grading job was broken"


def correct(answer: Reported) -> Form:
    """Return the form that a refusal has to be corrected."""
    (found,) = forms_of(answer.body)
    return found


@pytest.mark.parametrize(
    ("path", "fields", "wrong", "right"),
    [
        ("/preview", {"act": "date-set"}, {"date": "tomorrow"}, {"date": "2026-05-29T00:00"}),
        ("/preview", {"act": "date-set"}, {"date": ""}, {"date": "2026-05-29T00:00"}),
        ("/preview", {"act": "invalidate"}, {"reason": "x"}, {"reason": WHY}),
        ("/act", {"act": "invalidate", "version": "1"}, {"reason": "x"}, {"reason": WHY}),
        ("/lists/preview", {"act": "discard", "text": "86\n97"}, {"course_run": "the autumn run"}, {}),
        ("/lists/act", {"act": "discard", "text": "86\n97", "key": "a key of it"}, {"reason": ""}, {"reason": WHY}),
        ("/course-run/act", {"choice": "stop"}, {"reason": ""}, {"reason": WHY}),
        ("/regenerations/start", {"choice": "plan"}, {"course_runs": ""}, {"course_runs": "{course_run}"}),
        ("/send-again", {"until": ""}, {"since": "May"}, {"since": "2020-01-01T00:00"}),
    ],
)
def test_what_was_written_is_corrected_and_looked_at_before_it_acts(
    scene: Scene, learner: Learner, path: str, fields: dict[str, str], wrong: dict[str, str], right: dict[str, str]
) -> None:
    scene.ingest(*learner.qualifying())
    ada = Client(scene)
    subject = {name: value for name, value in about(learner).items() if name == "course_run" or path != "/course-run"}
    sent = {**subject, "reason": WHY, **fields, **wrong}
    refused = ada.form(path, **sent)
    assert refused.status == 422
    assert all(str(value) in refused.body for name, value in sent.items() if name != "key")
    form = correct(refused)
    assert {"key", "seen"}.isdisjoint(form.fields)
    corrected = {**sent, **form.fields, **{name: value.format(**about(learner)) for name, value in right.items()}}
    if not right:
        corrected["course_run"] = learner.course_run
    asked = ada.form(form.action, **corrected)
    assert (asked.status, WHY in asked.body) == (200, True)


def test_what_nobody_can_correct_is_only_refused(scene: Scene, learner: Learner) -> None:
    scene.ingest(*learner.qualifying())
    fields = {"act": "release", "reason": WHY, **about(learner)}
    for person, status in ((Client(scene), 409), (Client(scene, scopes=("view",)), 403)):
        path = "/preview" if status == 409 else "/send-again"
        refused = person.form(path, **fields)
        assert (refused.status, forms_of(refused.body)) == (status, [])


def test_a_case_that_changed_before_its_preview_is_previewed_as_it_is_now(scene: Scene, learner: Learner) -> None:
    scene.ingest(*learner.qualifying())
    ada = Client(scene)
    version = ada.case(learner)["version"]
    scene.ingest(learner.graded(day(4), 0.9, "A"))
    asked = ada.form("/preview", act="invalidate", reason=WHY, version=version, **about(learner))
    assert (asked.status, "changed since you looked at it" in asked.body, WHY in asked.body) == (409, True, True)


def test_a_list_that_changed_since_its_preview_is_looked_at_again(scene: Scene, learner: Learner) -> None:
    scene.ingest(*learner.qualifying()[:3], learner.failing(day(3)))
    ada = Client(scene)
    fields = {"act": "allowlist-add", "course_run": learner.course_run, "text": learner.learner_id, "reason": WHY}
    asked = ada.form("/lists/preview", "same-origin", **fields)
    scene.ingest(learner.graded(day(4), 0.2, "F"))
    stale = ada.form("/lists/act", **forms_of(asked.body)[0].fields)
    assert (stale.status, "changed since you looked at it" in stale.body) == (409, True)
    assert ada.form("/lists/act", **forms_of(stale.body)[0].fields).status == 200


def test_a_list_that_is_refused_leads_back_to_lists(scene: Scene, learner: Learner) -> None:
    scene.ingest(*learner.qualifying())
    fields = {"act": "discard", "course_run": learner.course_run, "text": "x" * 100_001, "reason": WHY}
    assert 'href="/lists?act=discard' in Client(scene).form("/lists/preview", **fields).body


WRONG: list[tuple[str, dict[str, Any], str]] = [
    ("/preview", {"act": "invalidate", "reason": ""}, "“Why” is empty or too short. Write at least 3 characters."),
    ("/preview", {"act": "invalidate", "reason": "x" * 1001}, "“Why” is too long. Write at most 1,000 characters."),
    (
        "/preview",
        {"act": "nothing"},
        "“What to do” is none of what can be chosen. Open the page again, and choose there.",
    ),
    ("/preview", {"act": "date-set"}, "No date is given. (Date) Give the date to show, as in 2026-01-31T00:00:00Z."),
    ("/preview", {"act": "invalidate", "learner_id": ""}, "'' is no learner id. (Learner id) It is the platform's"),
    ("/lists/preview", {"act": "discard", "text": " \n "}, "“Learners” is empty. Fill it in."),
    (
        "/course-run/act",
        {"choice": "stop", "reason": "  "},
        "“Why” is empty or too short. Write at least 3 characters.",
    ),
    ("/regenerations/start", {"course_runs": " "}, "“Course runs” is empty. Fill it in."),
    ("/regenerations/start", {"course_runs": "autumn"}, "“Course runs” can't be read. 'autumn': this is no key of a"),
    ("/send-again", {"since": "May"}, "'May' is no time. (From) Write it as 2026-01-31T00:00:00Z."),
]


@pytest.mark.parametrize(
    ("path", "fields", "answer"), WRONG, ids=[f"{path} {fields}"[:60] for path, fields, _ in WRONG]
)
def test_what_is_wrong_is_in_the_words_of_the_form(
    scene: Scene, learner: Learner, path: str, fields: dict[str, Any], answer: str
) -> None:
    scene.ingest(*learner.qualifying())
    refused = Client(scene).form(path, "same-origin", **{**about(learner), "reason": WHY, "until": "", **fields})
    alert = refused.body.partition('role="alert">')[2].partition("</div>")[0]
    assert (refused.status, answer in " ".join(unescape(re.sub("<[^>]*>", " ", alert)).split())) == (422, True), alert


def test_refused_lines_of_a_list_are_sentences(scene: Scene, learner: Learner) -> None:
    scene.ingest(*learner.qualifying())
    text = f"{learner.learner_id}\n{learner.learner_id}\n0"
    fields = {"act": "discard", "course_run": learner.course_run, "text": text, "reason": WHY}
    body = Client(scene).form("/lists/preview", "same-origin", **fields).body
    assert "Line 1 names the same learner. <strong>Nothing has to be done.</strong>" in body
    assert "No revocation is pending. <strong>Look at the case again: it may be decided already.</strong>" in body
    assert "This is no learner id. <strong>It is the platform&#39;s user id.</strong>" in body

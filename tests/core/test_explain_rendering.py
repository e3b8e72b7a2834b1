"""An explanation as text and as JSON."""

import json
import re
from datetime import datetime

import pytest
from hypothesis import given

from certrules.core import dates
from certrules.core.certificate import Certificate
from certrules.core.explain import explanation as explaining
from certrules.core.explain.explanation import Explanation
from certrules.core.explain.rendering import as_json, as_text
from certrules.core.explain.timeline import changed
from certrules.core.facts import Record
from certrules.core.guard import PublishedCertificate, next_publication, published_before
from certrules.core.instants import BEGINNING
from certrules.core.policy import DEFAULT, Policies, undated
from certrules.core.replay import replay
from certrules.core.rollout import RolloutState
from certrules.core.terms import Cause, Rollout, Status
from tests.scenes.explanations import RULES_BY_CODE, explained, sentences
from tests.scenes.histories import END, INSTANTS, instants, policies, records
from tests.scenes.phrases import instant, qualifying

# --- as text and JSON


def test_an_explanation_is_lines_of_plain_text() -> None:
    record = qualifying(("day 4", "failing"), without=["course run"])
    lines = as_text(explained(record)).splitlines()
    assert lines[:12] == [
        "Learner 7 in course-v1:CertX+CS101+2026",
        "As of 9 January 2026 at 00:00 UTC, by the policy edx-2021",
        "",
        (
            "There is no certificate because the configuration of the course run has not been "
            "received and the "
            "learner's grade is failing."
        ),
        "",
        "What can be done:",
        "  - The course team publishes the course run, or an operator sends its configuration again.",
        f"  - {RULES_BY_CODE['not_passed'].remedy}",
        "",
        "What would make it downloadable:",
        (
            "  - the learner passes the course run (the learner) and the configuration of the course "
            "run is received "
            "(the course team or an operator)"
        ),
        (
            "  - an allowlist entry is added (support) and the configuration of the course run is "
            "received (the course "
            "team or an operator)"
        ),
    ]
    assert lines[12:16] == [
        "",
        "What each rule says:",
        "  met     The learner has an enrollment in the course run; it need not be active.",
        "          Enrolled in verified mode on 1 January 2026 at 00:00 UTC (event event-0001).",
    ]
    assert lines[-6:] == [
        "",
        "What happened:",
        "  Enrolled in verified mode on 1 January 2026 at 00:00 UTC (event event-0001).",
        ("  ID verification (attempt 1) approved on 1 January 2026 at 00:00 UTC (event event-0002), without an end."),
        "  Passed on 3 January 2026 at 00:00 UTC (event event-0003).",
        "  Graded as failing on 4 January 2026 at 00:00 UTC (event event-0004).",
    ]


def test_a_brief_text_leaves_out_what_the_answer_rests_on() -> None:
    explanation = explained(qualifying(("day 4", "failing"), without=["course run"]))
    brief, whole = as_text(explanation, brief=True), as_text(explanation)
    assert whole.startswith(brief)
    assert "What would make it downloadable:" in brief
    assert "What each rule says:" not in brief
    assert "What happened:" not in brief


@pytest.mark.parametrize(
    ("phrases", "line"),
    [
        (
            [("day 1", "self-paced")],
            (
                "It shows the date 3 January 2026 at 00:00 UTC (the day of issue); learners have "
                "seen it since "
                "3 January 2026 at 00:00 UTC."
            ),
        ),
        (
            [("day 1", "display behavior end"), ("day 1", "course end day 20")],
            (
                "It shows the date 20 January 2026 at 00:00 UTC (the end of the course run); "
                "learners will see it from "
                "20 January 2026 at 00:00 UTC."
            ),
        ),
        (
            [("day 1", "display behavior end_with_date"), ("day 1", "available date day 5")],
            (
                "It shows the date 5 January 2026 at 00:00 UTC (the course run's available date); "
                "learners have seen it "
                "since 5 January 2026 at 00:00 UTC."
            ),
        ),
        (
            [("day 1", "display behavior end"), ("day 4", "date override day 2 by ada")],
            (
                "It shows the date 2 January 2026 at 00:00 UTC (set by a date override); learners "
                "don't see it yet because "
                "the date that it waits for is unknown."
            ),
        ),
    ],
)
def test_the_date_that_the_certificate_shows_is_reported_with_where_it_comes_from(
    phrases: list[tuple[str, str]], line: str
) -> None:
    explanation = explained(qualifying(*phrases))
    assert as_text(explanation).splitlines()[4] == line
    assert explanation.shown == dates.shown(explanation.certificate, qualifying(*phrases).timeline, instant("day 9"))


def test_the_json_of_an_explanation_has_stable_fields() -> None:
    body = as_json(explained(qualifying(("day 1", "self-paced"), ("day 8 23:30", "failing"))))
    assert list(body) == list(Explanation._fields)
    assert body["as_of"] == "2026-01-09T00:00:00Z"
    assert body["status"] == "downloadable"
    assert list(body["certificate"]) == list(Certificate._fields)
    assert body["pending"] == {
        "cause": "grade_fell",
        "since": "2026-01-08T23:30:00Z",
        "due": "2026-01-09T00:30:00Z",
        "actor": {"by": "", "reason": ""},
    }
    assert body["shown"] == {
        "date": "2026-01-03T00:00:00Z",
        "rests_on": "issued_at",
        "visible_from": "2026-01-03T00:00:00Z",
    }
    assert body["verdicts"][9] == {
        "code": "not_passed",
        "verdict": "unmet",
        "sentence": "The learner's grade is failing.",
        "evidence": [
            {
                "sentence": "Graded as failing on 8 January 2026 at 23:30 UTC (event event-0006).",
                "fact": "passing",
                "subject": "",
                "value": "failing",
                "event_id": "event-0006",
                "at": "2026-01-08T23:30:00Z",
                "by": "",
                "notes": "",
            }
        ],
    }
    refused = as_json(explained(qualifying(without=["grade"])))
    assert refused["status"] is None
    assert refused["counterfactuals"][1] == [
        {"code": "allowlist", "sentence": "An allowlist entry is added.", "who": "support"}
    ]


def test_another_spelling_of_the_course_run_s_key_is_named_below_the_status() -> None:
    spellings = ("CertX/CS101/2026", "course-v1:certx+CS101+2026")
    found = explaining.explain(qualifying(), undated(DEFAULT), instant("day 9"), other_spellings=spellings)
    assert as_json(found)["other_spellings"] == [*spellings]
    assert (
        "Something is known under another spelling of the key, too: CertX/CS101/2026 and course-v1:certx+CS101+2026. "
        "What is missing here may be there."
    ) in as_text(found).splitlines()


@given(records(), policies(), instants())
def test_explanations_and_differences_are_json(record: Record, policies: Policies, as_of: datetime) -> None:
    for body in (
        as_json(explaining.explain(record, policies, as_of)),
        as_json(changed(record, policies, min(as_of, INSTANTS[3]), END)),
    ):
        assert json.loads(json.dumps(body)) == body


@given(records(), policies(), instants())
def test_every_sentence_is_a_sentence(record: Record, policies: Policies, as_of: datetime) -> None:
    explanation = explaining.explain(record, policies, as_of)
    for sentence in (
        *sentences(explanation),
        *sentences(changed(record, policies, min(as_of, INSTANTS[3]), END)),
    ):
        assert re.fullmatch(r"[A-Z][^\n]*[^.,;: ]\.", sentence), sentence
        for clumsy in ("  ", "None", "True", "False", " ,", " ;", "..", "because because", "system:", "()"):
            assert clumsy not in sentence
    assert as_text(explanation).isascii()


def test_where_the_old_logic_decides_its_certificate_is_explained_beside_what_the_facts_show() -> None:
    record = qualifying(("day 5", "recorded notpassing"), ("day 20", "recorded downloadable"))
    for at, status in (("day 10", Status.NOTPASSING), ("day 30", Status.DOWNLOADABLE)):
        found = explaining.explain(
            record, undated(DEFAULT), instant(at), rollout=RolloutState(Rollout.SHADOW, BEGINNING)
        )
        assert found.status is status
        assert found.pending is None
        start = (
            "The old logic decides certificates in this course run (rollout: shadow). The old logic has a certificate"
        )
        assert found.sentence.startswith(start)
    live = explaining.explain(
        record, undated(DEFAULT), instant("day 10"), rollout=RolloutState(Rollout.LIVE, BEGINNING)
    )
    assert live.sentence == explaining.explain(record, undated(DEFAULT), instant("day 10")).sentence


def test_what_is_held_since_going_live_is_explained_as_held() -> None:
    record = qualifying(("day 4", "recorded downloadable"), ("day 9", "exam final rejected"))
    terms = RolloutState(Rollout.LIVE, instant("day 20"))
    outcome = replay(record, undated(DEFAULT), instant("day 30"))
    before = published_before(PublishedCertificate(), record.timeline, RolloutState(Rollout.SHADOW, BEGINNING))
    held = next_publication(before, outcome, "", BEGINNING, record.timeline, terms.live_since).published
    found = explaining.explain(record, undated(DEFAULT), instant("day 30"), published=held, rollout=terms)
    assert found.status is Status.DOWNLOADABLE
    assert found.sentence.startswith("The certificate stays downloadable as it was published; its revocation is held")


def test_a_held_automatic_revocation_names_who_decides() -> None:
    record = qualifying(("day 5", "failing"), ("day 5 00:10", "revocation held because grade_fell"))
    found = explaining.explain(record, undated(DEFAULT), instant("day 30"))
    (step,) = found.next_steps
    assert step.reason == Cause.GRADE_FELL
    assert step.sentence.startswith("A person with the right to revoke releases or discards the held revocation.")

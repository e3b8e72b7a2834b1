"""Words for codes: every code has its own, and no page makes words of a code's letters."""

from collections.abc import Iterable

import pytest

from certrules.bulk.lifecycle import ENDED, RESUMABLE
from certrules.bulk.reporting import OUTCOMES
from certrules.core.deliveries.outcomes import Waiting
from certrules.core.programs.reasons import ProgramCause
from certrules.core.rules import RULES
from certrules.core.terms import Cause, RevocationAction, Status
from certrules.formats.refusals import Reason
from certrules.formats.words import WORDS, change_words, counted, words_of
from tests.scenes.scene import TEMPLATE, Learner, Scene
from tests.scenes.support_client import Client, about

TEMPLATES = TEMPLATE.parent / "functions" / "support" / "templates"


@pytest.mark.parametrize(
    ("kind", "codes"),
    [
        ("cause", Cause),
        ("program_cause", ProgramCause),
        ("status", ["none", *Status]),
        ("reason", [rule.code for rule in RULES]),
        ("refusal", Reason),
        ("action", RevocationAction),
        ("waiting", Waiting),
        ("outcome", OUTCOMES),
        ("run_state", {"started", "planning", "waiting", "applying"} | ENDED | RESUMABLE),
    ],
)
def test_every_code_has_words_of_its_own(kind: str, codes: Iterable[str]) -> None:
    assert set(WORDS[kind]) == set(codes)
    assert all(words and "_" not in words for words in WORDS[kind].values())
    assert len(set(WORDS[kind].values())) == len(WORDS[kind])


def test_a_change_is_written_in_words() -> None:
    assert change_words("none > notpassing") == "no certificate → not passing"
    assert words_of("cause", "one of another program") == "one of another program"


def test_no_page_makes_words_of_the_letters_of_a_code() -> None:
    for template in TEMPLATES.glob("*.html"):
        assert 'replace("_"' not in template.read_text(), template.name


def test_a_key_that_is_none_is_refused_in_words(support_client: Client) -> None:
    page = support_client.get("/course-run", course_run="nonsense").body
    assert "This is no key of a course run" in page
    assert "bad_course_key" not in page.casefold()


def test_every_field_of_the_ticket_has_a_name(scene: Scene, learner: Learner, support_client: Client) -> None:
    scene.ingest(*learner.qualifying())
    assert set(support_client.case(learner)["fields"]) == set(WORDS["field"])
    assert "_at</th>" not in support_client.get("/case", **about(learner)).body


def test_what_is_counted_has_its_noun_in_the_singular_for_one() -> None:
    assert [counted(number, "change") for number in (0, 1, 1_234)] == ["0 changes", "1 change", "1,234 changes"]
    assert [counted(number, "delivery", "deliveries") for number in (1, 2)] == ["1 delivery", "2 deliveries"]

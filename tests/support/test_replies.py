"""Replies for the ticket: for learners in their language without internals, and for colleagues with every id."""

import re
from collections.abc import Iterator
from string import Formatter
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given

from certrules.core.explain.explanation import explain
from certrules.core.facts import Record
from certrules.requests import RefusedActError
from certrules.support import catalogue
from certrules.support.replies import SENTENCES, reply_to_learner, zone_of
from tests.scenes.explanations import EDX
from tests.scenes.histories import INSTANTS, records
from tests.scenes.scene import Learner, Scene, day
from tests.scenes.support_client import Client, about

LANGUAGES = sorted(catalogue.languages())
MADRID = ZoneInfo("Europe/Madrid")

_OPERATOR_WORDS = (
    r"allowlist|breaker|bus|cause|code|configuration|course-v1|deployment|event|fact|id|operator|policy|record(?!ed)|"
    r"revocation|rollout|rule|stack|support|transition|unmet|URL"
)


def _messages(language: str) -> dict[str, str]:
    return catalogue.messages_of((catalogue.FOLDER / f"{language}.po").read_text())


def _braces(text: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(text) if name}


def test_english_and_spanish_are_there() -> None:
    assert catalogue.languages() == {"en": "English", "es": "español"}


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_sentence_is_missing_and_none_is_left_over(language: str) -> None:
    messages, english = _messages(language), _messages("en")
    assert set(messages) - {""} == set(SENTENCES)
    assert len(SENTENCES) == len(set(SENTENCES))
    for name in SENTENCES:
        assert messages[name].strip(), name
        assert _braces(messages[name]) == _braces(english[name]), name
        assert catalogue.catalogue(language).gettext(name) == messages[name]


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_sentence_has_an_id_a_code_or_a_word_of_operators(language: str) -> None:
    for name, text in _messages(language).items():
        if name:
            plain = re.sub(r"\{\w+\}", "", text)
            assert re.search(rf"_|\d|\b({_OPERATOR_WORDS})\b", plain, re.IGNORECASE) is None, (name, text)


def test_only_the_months_and_the_form_of_a_date_are_alike_in_two_languages() -> None:
    english, spanish = _messages("en"), _messages("es")
    assert [name for name in SENTENCES if english[name] == spanish[name]] == []


@given(records())
def test_any_case_gets_a_whole_reply_without_internals(record: Record) -> None:
    for language in LANGUAGES:
        for as_of in INSTANTS[::5]:
            text = reply_to_learner(explain(record, EDX, as_of), language, MADRID)
            assert "{" not in text
            assert not any(name in text for name in SENTENCES if "." in name)
            assert record.course_run not in text
            assert not re.search(r"\b[0-9a-f]{8,}|_", text)
            assert text.splitlines()[0] in {"Hello,", "Hola:"}


def test_a_catalogue_is_one_file_that_people_can_read() -> None:
    text = 'msgid ""\nmsgstr ""\n"Language-Team: x\\n"\n# why\nmsgid "a"\nmsgstr "one "\n"line"\n'
    assert catalogue.messages_of(text) == {"": "Language-Team: x\n", "a": "one line"}
    assert catalogue.messages_of("# nothing\n") == {}
    for wrong in ('msgctxt "a"', "msgid 3"):
        with pytest.raises(ValueError, match=r"only|no text"):
            catalogue.messages_of(wrong)


@pytest.mark.parametrize("name", ["Nowhere/Else", "../etc/passwd", "/etc/passwd", "a\0b", "x" * 5000])
def test_what_is_no_zone_is_refused(name: str) -> None:
    with pytest.raises(RefusedActError, match="time zone"):
        zone_of(name)


def _replies(client: Client, learner: Learner, **more: str) -> Iterator[str]:
    for language in LANGUAGES:
        answer = client.get("/v1/case/reply", **about(learner), language=language, **more)
        assert answer.status == 200, answer.body
        yield answer.body["text"]


def test_a_reply_has_what_why_and_what_to_do_at_the_learner_s_time(
    scene: Scene, learner: Learner, support_client: Client
) -> None:
    configured, enrolled, _, passing = learner.qualifying()
    scene.ingest(configured, enrolled, passing)
    english, spanish = _replies(support_client, learner, zone="Europe/Madrid", as_of="2026-07-01T22:30:00Z")
    assert english == (
        "Hello,\n\nYour certificate for this course waits until your identity is verified.\n\n"
        "Why:\n- We have no approved verification of your identity.\n\n"
        "What you can do:\n- Please verify your identity on your account's page.\n\n"
        "This is how it stood on 2 July 2026 at 00:30 (Europe/Madrid time). If something here looks wrong to you, "
        "please answer this message.\n"
    )
    assert "Por qué:\n- No tenemos una verificación de tu identidad que esté aprobada." in spanish
    assert "2 de julio de 2026 a las 00:30 (zona horaria: Europe/Madrid)" in spanish


def test_a_reply_follows_what_the_learner_sees(scene: Scene, learner: Learner, support_client: Client) -> None:
    def english(**more: str) -> str:
        return next(_replies(support_client, learner, **more))

    scene.ingest(*learner.qualifying())
    assert "as soon as the course team sets the date" in english()
    scene.ingest(learner.configured(day(4), self_paced=False, end=day(4000).isoformat()))
    assert "You can see it from" in english()
    scene.ingest(learner.configured(day(5), self_paced=True))
    assert "You received it on 3 January 2026." in english()
    scene.ingest(learner.failing(day(6)))
    assert "It will be taken back on 6 January 2026 at 01:00" in english(as_of="2026-01-06T00:30:00Z")


def test_a_reply_to_a_colleague_has_the_ids(scene: Scene, learner: Learner, support_client: Client) -> None:
    scene.ingest(*learner.qualifying(), learner.invalidated(day(6)))
    text = support_client.get("/v1/case/reply", **about(learner), to="colleague").body["text"]
    case = support_client.case(learner)
    for needed in (learner.course_run, str(learner.learner_id), case["fields"]["certificate_id"], "invalidated: event"):
        assert needed in text


def test_a_reply_needs_a_known_case_language_and_zone(scene: Scene, learner: Learner, support_client: Client) -> None:
    scene.ingest(*learner.qualifying())
    for wrong in ({"language": "xx"}, {"zone": "Mars"}, {"to": "nobody"}):
        (field,) = wrong
        answer = support_client.get("/v1/case/reply", **about(learner), **wrong)
        assert (answer.status, answer.body["field"]) == (422, field)


def test_the_page_has_both_replies_and_local_times(scene: Scene, learner: Learner, support_client: Client) -> None:
    scene.ingest(*learner.qualifying())
    answer = support_client.get("/case", **about(learner), language="es", zone="Asia/Tokyo")
    assert '<pre class="reply" lang="es"' in answer.body
    assert "Has obtenido el certificado" in answer.body
    assert "3 January 2026 at 00:00 UTC (09:00 in Asia/Tokyo)" in answer.body
    assert "zone=Asia/Tokyo" in answer.headers["set-cookie"]
    assert "All times are in UTC, and beside it in Asia/Tokyo" in answer.body
    assert support_client.get("/case", **about(learner), zone="Mars").status == 422
    assert "zone" not in support_client.get("/case", **about(learner)).headers.get("set-cookie", "")


def test_the_reader_s_zone_is_remembered(scene: Scene, learner: Learner, support_client: Client) -> None:
    scene.ingest(*learner.qualifying())
    path = f"/learner?learner_id={learner.learner_id}"
    page = support_client.ask("GET", path, Cookie="zone=America/New_York").body.decode()
    assert "(19:00 on 2 January in America/New_York)" in page
    assert " in UTC. " in support_client.ask("GET", path, Cookie="zone=Mars").body.decode()

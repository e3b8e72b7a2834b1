"""Personal data is taken out of what is parked, in whatever form it came; all else stays as it was."""

import json
from base64 import b64encode
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from certrules.formats.personal_data import without_personal_data
from tests.scenes.people import SECRET, with_people
from tests.scenes.scene import TEMPLATE

NAMING = {"certificates.learner.named.v1", "certificates.learner.renamed.v1"}
SAMPLES = sorted((TEMPLATE.parent / "events").glob("*.json"))


def wrapped(text: str) -> dict[str, str]:
    return {
        "alone": text,
        "text": json.dumps(text),
        "text in a text": json.dumps(json.dumps(text)),
        "a record of SQS": json.dumps({"Records": [{"body": text}]}),
        "a notification in a record": json.dumps({"Records": [{"body": json.dumps({"Message": text})}]}),
        "Kinesis": json.dumps({"Records": [{"kinesis": {"data": b64encode(text.encode()).decode()}}]}),
        "a list": f"[{text}, {text}]",
        "before a break": f"{text}, and then it broke {{",
        "escaped name": text.replace('"pii"', '"p\\u0069i"').replace('"name"', '"N\\u0061me"'),
        "pretty": json.dumps(json.loads(text), indent=4),
    }


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.stem)
def test_no_personal_data_of_any_event_is_left_in_any_wrapping(sample: Path) -> None:
    event = with_people(json.loads(sample.read_text()))
    if event["detail-type"] in NAMING:
        assert without_personal_data(json.dumps(event)) == json.dumps(event)
        return
    for ascii_only in (True, False):
        for form, text in wrapped(json.dumps(event, ensure_ascii=ascii_only)).items():
            cleaned = without_personal_data(text)
            assert SECRET not in cleaned, form
            assert SECRET not in json.dumps(cleaned), form
            assert len(cleaned.encode()) <= len(text.encode()), form


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.stem)
def test_wherever_an_event_breaks_off_no_personal_data_is_left(sample: Path) -> None:
    event = with_people(json.loads(sample.read_text()))
    if event["detail-type"] in NAMING:
        return
    for text in (json.dumps(event), json.dumps(json.dumps(event)), json.dumps(event).replace("}", ",}")):
        for end in range(0, len(text) + 1, 7):
            assert "Lovelace" not in without_personal_data(text[:end])


def test_what_is_around_personal_data_stays_byte_by_byte() -> None:
    text = '{ "a":1.0, "a" : 1e400,\n"user":{"id":42, "pii" : {"name":"Ada, }{", "x":[1,{}]} , "z":"\\/é"}}'
    assert without_personal_data(text) == '{ "a":1.0, "a" : 1e400,\n"user":{"id":42, "pii" : {} , "z":"\\/é"}}'


def test_an_event_without_personal_data_stays_as_it_is() -> None:
    for sample in SAMPLES:
        text = sample.read_text()
        assert json.loads(without_personal_data(text)).keys() == json.loads(text).keys()
        assert without_personal_data(without_personal_data(text)) == without_personal_data(text)
    for text in ("", "malformed", '"', '"\\', "{", "x" * 1000, '{"a": "b"}', "\ufeff[]", '{"display_name": "Algebra"}'):
        assert without_personal_data(text) == text


@given(st.text(alphabet='"\\{}[]:, piname\u00e9\ud83d\ude00u0', max_size=60))
def test_any_text_gets_no_longer_and_is_cleaned_once(text: str) -> None:
    cleaned = without_personal_data(text)
    assert len(cleaned.encode(errors="surrogatepass")) <= len(text.encode(errors="surrogatepass"))
    assert without_personal_data(cleaned) == cleaned


def test_a_long_text_of_quotes_takes_no_longer_than_others() -> None:
    assert without_personal_data('"' + '\\"' * 120_000 + "\\")
    assert without_personal_data('"pii":[' * 30_000)

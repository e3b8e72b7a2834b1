"""Which certificate ids a pasted text names."""

from collections.abc import Callable
from urllib.parse import quote
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from certrules.formats.certificate_ids import ids_in, last_part, possible_ids

type Write = Callable[[str], str]

ID = "0123456789abcdef0123456789abcdef"
DASHED = str(UUID(ID))

_forms = st.sampled_from([lambda plain: plain, lambda plain: str(UUID(plain)), lambda plain: f"{{{UUID(plain)}}}"])
_cases = st.sampled_from([str.lower, str.upper, str.title])
_around = st.sampled_from(
    [
        ("", ""),
        (" ", "\n"),
        ("https://lms.example.org/certificates/", ""),
        ("https://lms.example.org/certificates/", "/"),
        ("https://lms.example.org/certificates/", "?lang=es-419"),
        ("https://lms.example.org/certificates/", "/?lang=es#share"),
        ("lms.example.org/certificates/", "#top"),
        ("https://lms.example.org/certificates/", "?preview=verified&course=course-v1:A+B+C"),
        ("https://s3.example.org/cert/downloads/", "/Certificate.pdf"),
        ("https://lms.example.org/verify?certificate=", "&lang=es"),
        ("urn:uuid:", ""),
        ('"', '",'),
        ("<https://lms.example.org/certificates/", ">"),
        ("\ufeff", "\u200b"),
    ]
)
_encodings = st.sampled_from([lambda text: text, quote, lambda text: quote(quote(text, safe=""), safe="")])


@given(st.uuids(), _forms, _cases, _around, _encodings)
def test_an_id_is_read_in_whatever_form_it_is_pasted(
    uuid: UUID, form: Write, case: Write, around: tuple[str, str], encode: Write
) -> None:
    before, after = around
    text = encode(before + case(form(uuid.hex)) + after)
    assert ids_in(text) == (uuid.hex,)
    assert next(possible_ids(text)) == uuid.hex


@pytest.mark.parametrize(
    "text", [ID.replace("89", "8 9"), f"{DASHED[:9]}\n{DASHED[9:]}", DASHED.replace("-", "\u2013")]
)
def test_an_id_that_was_broken_on_its_way_is_read(text: str) -> None:
    assert ids_in(text) == (ID,)


@pytest.mark.parametrize(
    "text", ["", "/", "abc", ID[:-1], f"{ID}0", f"{ID}g", f"x{ID}", "\u0660" * 32, DASHED.replace("-", "")[1:] + "-"]
)
def test_what_is_no_id_names_none(text: str) -> None:
    assert ids_in(text) == ()


def test_two_ids_are_both_read_and_one_that_is_repeated_once() -> None:
    other = ID[::-1]
    assert ids_in(f"https://s3.example.org/{ID}/{other}.html") == (ID, other)
    assert ids_in(f"{ID} {DASHED}") == (ID,)


def test_an_id_of_the_old_logic_is_looked_up_in_each_form_that_it_may_have_and_as_written() -> None:
    assert list(possible_ids(f"https://x/certificates/{DASHED}?lang=es")) == [ID, DASHED, ID.upper(), DASHED.upper()]
    assert list(possible_ids("https://x/certificates/cert-12/?lang=es")) == ["cert-12"]
    assert list(possible_ids("x" * 256)) == []
    assert list(possible_ids(" / ")) == []


@given(st.text())
def test_whatever_is_written_is_looked_up_in_few_forms(text: str) -> None:
    assert len(list(possible_ids(text))) <= 4 * len(ids_in(text)) + 1
    assert "/" not in last_part(text)

"""A value is described by its kind and size, and nothing of it is repeated."""

import pytest

from certrules.core.terms import described


@pytest.mark.parametrize(
    ("value", "description"),
    [
        ("", "a text of 0 characters"),
        ("Ada", "a text of 3 characters"),
        (None, "null"),
        (True, "a boolean"),
        (7, "a number"),
        (7.5, "a number"),
        ([1, "Ada"], "a list of 2"),
        ({"Ada": 1}, "an object"),
    ],
)
def test_a_value_is_described_by_kind_and_size(value: object, description: str) -> None:
    assert described(value) == description

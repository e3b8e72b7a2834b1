"""Whatever bytes are read: refused as documented, or read whole."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fuzz.targets import TARGETS

json_texts = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.datetimes().map(str),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@pytest.mark.parametrize("name", TARGETS)
def test_any_bytes_are_refused_or_read_whole(name: str) -> None:
    values = json_texts.map(lambda value: json.dumps(value).encode())
    places = st.binary(min_size=2, max_size=2)

    @given(st.binary(max_size=100) | st.builds(lambda place, value: place + value, places, values | st.binary()))
    def reads(data: bytes) -> None:
        TARGETS[name](data)

    reads()

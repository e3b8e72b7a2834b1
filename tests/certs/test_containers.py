"""What `make debug` makes of the answers of containers, without any container."""

import pytest

from certs.debug import containers
from certs.debug.containers import FunctionFailedError


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("", "SweepFunction gave no answer"),
        ('{"errorType": "KeyError", "errorMessage": "time"}', "SweepFunction raised KeyError: time"),
    ],
)
def test_a_function_that_gives_no_answer_is_named(text: str, shown: str) -> None:
    with pytest.raises(FunctionFailedError, match=shown):
        containers._answer("SweepFunction", text)

"""A commit message has a short subject, and a body that gives the reason."""

import subprocess
from pathlib import Path

import pytest

HOOK = Path(__file__).parents[2] / ".ci" / "commit-message"
WHY = "Learners lost their certificates."


def accepted(path: Path, message: str) -> bool:
    path.write_text(message)
    return subprocess.run(["bash", HOOK, path], capture_output=True, check=False).returncode == 0


@pytest.mark.parametrize(
    ("message", "is_accepted"),
    [
        (f"Hold revocations without a cause\n\n{WHY}\n", True),
        (f"{'x' * 72}\n\n{WHY}\n", True),
        (f"{'x' * 73}\n\n{WHY}\n", False),
        (f"Hold revocations.\n\n{WHY}\n", False),
        ("Hold revocations\n", False),
        (f"Hold revocations\n{WHY}\n", False),
        ("# only a comment\n", False),
    ],
)
def test_a_message_is_accepted_if_it_has_a_short_subject_and_a_reason(
    tmp_path: Path, message: str, is_accepted: bool
) -> None:
    assert accepted(tmp_path / "message", message) is is_accepted

"""The files that commands look for in the repository are there, wherever a module moves."""

from pathlib import Path

import pytest

from certs import reference, run
from certs.debug import containers, watch


@pytest.mark.parametrize(
    "path",
    [
        containers.ROOT / "template.yaml",
        watch.TEMPLATE,
        watch.EVENTS,
        run.TEMPLATE,
        reference.SAMPLES,
        reference.DECISIONS,
    ],
)
def test_a_path_that_a_command_needs_exists(path: Path) -> None:
    assert path.exists()

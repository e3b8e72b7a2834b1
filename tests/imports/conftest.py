"""An export of the platform's tables, empty yet."""

from pathlib import Path

import pytest

from tests.scenes.platform_tables import Tables


@pytest.fixture
def tables(tmp_path: Path) -> Tables:
    """The tables of a platform."""
    return Tables(tmp_path)

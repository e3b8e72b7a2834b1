"""An export of the platform's tables, empty yet; and a stack to import it into."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from certs.run import LOCAL_PARAMETERS
from localcloud import LocalCloud
from tests.scenes.import_cloud import import_cloud
from tests.scenes.platform_tables import Tables


@pytest.fixture
def tables(tmp_path: Path) -> Tables:
    """The tables of a platform."""
    return Tables(tmp_path)


@pytest.fixture
def cloud(monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalCloud]:
    """A local cloud that stays up."""
    with import_cloud(LOCAL_PARAMETERS, monkeypatch) as cloud:
        yield cloud

from collections.abc import Iterator

import pytest

from tests.records.scene import Scene, staged
from tests.records.service import Host, hosting


@pytest.fixture(scope="package")
def host() -> Iterator[Host]:
    with hosting() as host:
        yield host


@pytest.fixture
def scene(host: Host) -> Iterator[Scene]:
    with staged(host) as scene:
        yield scene

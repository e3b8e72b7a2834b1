"""Support's people, at the API of one stack."""

import pytest

from tests.scenes.fixtures import learner, scene, stack, wire
from tests.scenes.scene import Scene
from tests.scenes.support_client import Client

__all__ = ["learner", "scene", "stack", "wire"]


@pytest.fixture(autouse=True)
def _nobody_has_done_anything_yet(scene: Scene) -> None:
    scene.empty_tables("SupportTable")


@pytest.fixture
def support_client(scene: Scene) -> Client:
    """Somebody who may do everything."""
    return Client(scene)

"""Bulk runs, step by step: each step can be left out, repeated or killed, as a state machine would."""

import pytest

from tests.scenes.fixtures import learner, scene, stack, wire
from tests.scenes.scene import Scene

__all__ = ["learner", "scene", "stack", "wire"]


@pytest.fixture(autouse=True)
def _nobody_has_asked_for_anything_yet(scene: Scene) -> None:
    scene.empty_tables("SupportTable")

"""The stack and the learners of the event path's tests, here too."""

from tests.scenes.fixtures import learner, scene, stack, wire

__all__ = ["learner", "scene", "stack", "wire"]

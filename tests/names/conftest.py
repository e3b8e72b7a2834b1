"""A stack that stores learners' names, and one that doesn't."""

from tests.scenes.fixtures import learner, scene, wire
from tests.scenes.named_learners import stack

__all__ = ["learner", "scene", "stack", "wire"]

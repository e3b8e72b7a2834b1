"""One stack for all tests of a module; each has learners and a course run of its own, and empty queues."""

from tests.scenes.fixtures import learner, scene, stack, wire

__all__ = ["learner", "scene", "stack", "wire"]

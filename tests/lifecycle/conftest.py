"""The stack that the lifecycles of certificates run through."""

from tests.functions.conftest import learner, scene, stack, wire

__all__ = ["learner", "scene", "stack", "wire"]

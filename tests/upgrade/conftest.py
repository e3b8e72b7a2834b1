"""One stack for all tests of a module, with what a release before this one stored."""

from tests.scenes.fixtures import scene, stack

__all__ = ["scene", "stack"]

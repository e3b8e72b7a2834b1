"""One stack for the API's requests."""

from tests.scenes.fixtures import stack

__all__ = ["stack"]

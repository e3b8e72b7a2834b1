"""A local cloud of the small stack beside this file."""

from tests.scenes.shop import shop

__all__ = ["shop"]

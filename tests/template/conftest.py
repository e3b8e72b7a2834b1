"""The template, expanded once."""

from tests.scenes.expanded_stack import stack

__all__ = ["stack"]

"""The decisions of one history. Each has a name, so that some can be undone while all others stay as they are."""

from collections.abc import Sequence
from hashlib import blake2b


class Chances:
    """Draws what happens in a history from its seed. 0 is the undisturbed course: it is not noted."""

    def __init__(self, seed: int, only: frozenset[str] | None = None) -> None:
        """Draw by this seed; if `only` names decisions, all others take the undisturbed course."""
        self._key = seed.to_bytes(8)
        self._only = only
        self.disturbed: dict[str, int] = {}  # the decisions that did not take the undisturbed course

    def number(self, name: str, below: int) -> int:
        """Return a number from 0, the undisturbed course, to `below` (exclusive)."""
        if below < 2 or not self._is_free(name):
            return 0
        drawn = self._raw(name) % below
        if drawn:
            self.disturbed[name] = drawn
        return drawn

    def happens(self, name: str, one_in: int) -> bool:
        """Whether something happens that happens once in so many times (0: never)."""
        if not one_in or not self._is_free(name):
            return False
        happens = self._raw(name) % one_in == 0
        if happens:
            self.disturbed[name] = 1
        return happens

    def among[T](self, name: str, choices: Sequence[T]) -> T:
        """Return one of these; the first is the undisturbed course."""
        return choices[self.number(name, len(choices))]

    def order[T](self, name: str, items: Sequence[T]) -> list[T]:
        """Return the items, shuffled or, undisturbed, as they are."""
        left = list(items)
        return [left.pop(self.number(f"{name}, place {place}", len(left))) for place in range(len(items))]

    def _is_free(self, name: str) -> bool:
        return self._only is None or name in self._only

    def _raw(self, name: str) -> int:
        return int.from_bytes(blake2b(name.encode(), digest_size=8, key=self._key).digest())

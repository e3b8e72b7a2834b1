"""Crashes at a chosen request to AWS."""

from collections.abc import Callable
from typing import Any

from tests.scenes.scene import Answer, Killed, Request


class Death:
    """Kills the process at one request, counted from 0, before or after AWS did what it asks; then it is restarted."""

    def __init__(self, step: int, *, done: bool) -> None:
        self._left = step
        self._done = done
        self.came = False
        self._dead = False

    def __call__(self, _: Request, answer: Callable[[], Answer]) -> Answer:
        if self._dead:
            raise Killed
        self._left -= 1
        if self._left >= 0 or self.came:
            return answer()
        self.came = self._dead = True
        if self._done:
            answer()
        raise Killed

    def run(self, work: Callable[[], Any]) -> Any:
        """Do the work, and once more if it was interrupted."""
        try:
            return work()
        except Killed:
            self._dead = False
            return work()

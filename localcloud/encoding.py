"""Binary values in JSON."""

from __future__ import annotations

import base64
from typing import Any, override


def base64_text(value: object) -> str:
    """Write a binary value as base64, as DynamoDB and Lambda do: the `default` of json.dumps.

    Raises TypeError for what isn't bytes.
    """
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    raise TypeError(f"{type(value).__name__} isn't JSON")


class Untracked(list[Any]):
    """In place of moto's list of all instances of a class, which would hold every one for ever."""

    @override
    def append(self, _: object) -> None:
        """Drop the value."""

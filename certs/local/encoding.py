"""DynamoDB values as JSON."""

from __future__ import annotations

import base64
from typing import Any


def with_base64(value: Any) -> Any:
    """Return the value with base64 text for each binary value in it, as requests and Lambda have it."""
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, dict):
        return {name: with_base64(part) for name, part in value.items()}
    if isinstance(value, list):
        return [with_base64(part) for part in value]
    return value

"""A function that fails for a body `bad`; its mapping reports no partial failures, its queue has no end."""

from typing import Any


def handler(event: dict[str, Any], _context: Any) -> None:
    """Raise ValueError if any message is bad."""
    for record in event["Records"]:
        if record["body"] == "bad":
            raise ValueError(record["messageId"])

"""Bodies of requests: JSON that means the same to every reader, or a refusal."""

import json
from collections.abc import Mapping
from typing import Any

from certrules.requests import RefusedActError

JSON = "application/json"
_ANOTHER = "application/octet-stream"


def with_plain_media_type(event: Mapping[str, Any]) -> dict[str, Any]:
    """Return a request whose media type is JSON or, whatever else it was, no JSON.

    The framework reads forms and multiparts too, and fails on odd ones. A form of the console is read by the console.
    """
    headers = {name.lower(): value for name, value in (event.get("headers") or {}).items()}
    kind = str(headers.get("content-type", "")).partition(";")[0].strip().lower()
    return {**event, "headers": {**headers, "content-type": JSON if kind == JSON else _ANOTHER}}


def read_json(text: str) -> Any:
    """Decode a body. Raises RefusedActError.

    Refused are also names that come twice, numbers that JSON doesn't have (NaN) or that nobody can store, and halves
    of characters: programs read them differently, or fail later.
    """
    try:
        found = json.loads(text, object_pairs_hook=_object)
        json.dumps(found, allow_nan=False, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        fix = "send JSON in UTF-8, as /v1/openapi.json has it, each name once and without NaN or huge numbers"
        raise RefusedActError(422, "the body can't be read", fix, "body") from None
    return found


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a name comes twice")
    return found

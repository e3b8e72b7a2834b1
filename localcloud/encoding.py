"""Binary values in JSON."""

import base64


def base64_text(value: object) -> str:
    """Write a binary value as base64, as DynamoDB and Lambda do: the `default` of json.dumps.

    Raises TypeError for what isn't bytes.
    """
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    raise TypeError(f"{type(value).__name__} isn't JSON")

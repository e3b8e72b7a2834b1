"""Parking: a refused message goes to the parked queue as it came, with the reason, the field and the fix.

Only the personal data that the platform sends along is taken out: nothing here reads it.
"""

from collections.abc import Iterable
from typing import Any

from certrules import aws
from certrules.formats.refusals import RefusedError

type Refused = tuple[dict[str, Any], RefusedError]
"""An SQS record, and why it was refused."""


def park(parked_queue: str, refused: Iterable[Refused]) -> None:
    """Send refused messages to the parked queue. Raises SendError."""
    aws.send(parked_queue, [_parked(record, refusal) for record, refusal in refused])


def _parked(record: dict[str, Any], refusal: RefusedError) -> dict[str, Any]:
    from certrules.formats.personal_data import without_personal_data  # noqa: PLC0415 - no start waits for it

    texts = {**refusal.as_json(), "message_id": record["messageId"]}
    attributes = {name: {"DataType": "String", "StringValue": value[:1000]} for name, value in texts.items() if value}
    return {"MessageBody": without_personal_data(record["body"]), "MessageAttributes": attributes}

"""A course run changed: a run of the state machine that decides it again is started, once for many changes."""

import os
from typing import Any

import msgspec
from aws_lambda_powertools import Logger

from certrules import aws, redeciding, storage

logger = Logger()
storage.connect(os.environ["CERTIFICATES_TABLE"], os.environ["HISTORY_TABLE"], os.environ["SUPPORT_TABLE"])
MACHINE = os.environ["REDECIDE_MACHINE"]


@logger.inject_lambda_context
def handler(event: dict[str, Any], _context: object) -> dict[str, list[dict[str, str]]]:
    """Return the messages to retry. A message that is delivered twice has at most another run started."""
    failed = []
    for record in event["Records"]:
        try:
            changed = msgspec.json.decode(record["body"])
            redeciding.ensure_run(MACHINE, changed["course_run"], changed["at"], aws.now())
        except Exception:  # whatever it is, the other messages go on, and this one comes again
            logger.exception("The message is retried.", message_id=record["messageId"])
            failed.append({"itemIdentifier": record["messageId"]})
    return {"batchItemFailures": failed}

"""An order for each time that the schedule rings."""

import json
import os
from typing import Any

import boto3

sqs = boto3.client("sqs")


def handler(event: dict[str, Any], _context: Any) -> None:
    """Order what is due at the schedule's time."""
    order = {"id": f"swept-{event.get('at') or event['time']}"}
    sqs.send_message(QueueUrl=os.environ["QUEUE_URL"], MessageBody=json.dumps({"detail": order}))

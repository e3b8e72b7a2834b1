"""The office: starts stocktakes, and answers what they ask."""

import json
import os
from typing import Any

import boto3

s3 = boto3.client("s3")
machines = boto3.client("stepfunctions")


def handler(event: dict[str, Any], _context: Any) -> Any:
    """Start a stocktake, or accept or reject the count of one."""
    if "start" in event:
        started = machines.start_execution(stateMachineArn=os.environ["MACHINE"], input=json.dumps(event["start"]))
        return started["executionArn"]
    token = s3.get_object(Bucket=os.environ["BUCKET"], Key=f"{event['run']}/token")["Body"].read().decode()
    if event["right"]:
        machines.send_task_success(taskToken=token, output='{"right": true}')
    else:
        machines.send_task_failure(taskToken=token, error="WrongCount", cause="a box was overlooked")
    return None

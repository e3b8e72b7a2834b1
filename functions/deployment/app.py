"""Answers CloudFormation during a deployment. A failure rolls the deployment back."""

import json
from typing import Any
from urllib.request import Request, urlopen

from aws_lambda_powertools import Logger

from certrules import deployment

logger = Logger()

LONGEST_REASON = 1000  # characters; CloudFormation takes an answer of 4 KB


@logger.inject_lambda_context
def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Do what a custom resource's event requests; send the answer to its address, and return it."""
    refusal = ""
    try:
        deployment.carry_out(event)
    except Exception as error:
        logger.exception("The deployment is refused.")
        refusal = f"{event['LogicalResourceId']}: {error}"[:LONGEST_REASON]
    answer = {
        "Status": "FAILED" if refusal else "SUCCESS",
        "Reason": refusal or "done",
        "PhysicalResourceId": event.get("PhysicalResourceId", event["LogicalResourceId"]),
        "Data": {"Digest": deployment.digest(event["ResourceProperties"])},
        **{name: event[name] for name in ("StackId", "RequestId", "LogicalResourceId")},
    }
    body = json.dumps(answer).encode()
    # The address is CloudFormation's, and signed for an answer without a content type.
    request = Request(event["ResponseURL"], body, {"Content-Type": ""}, method="PUT")  # noqa: S310
    with urlopen(request, timeout=10):  # noqa: S310
        return answer

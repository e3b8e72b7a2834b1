"""The short way to moto's DynamoDB for the requests that functions make most.

Moto routes, parses and serializes every request for any service; for DynamoDB, JSON in is JSON out.
"""

from __future__ import annotations

import json
import re
import uuid
from typing import TYPE_CHECKING, Any, cast

from moto.core.models import DEFAULT_ACCOUNT_ID, botocore_stubber
from moto.dynamodb.responses import DynamoHandler
from werkzeug.exceptions import HTTPException

from localcloud.encoding import base64_text

if TYPE_CHECKING:
    from botocore.awsrequest import AWSPreparedRequest

ADDRESS = re.compile(r"https://dynamodb\.(?P<region>[a-z0-9-]+)\.amazonaws\.com/")
# All operations on items, so that they agree on how binary values are stored.
OPERATIONS = {
    "DynamoDB_20120810.BatchGetItem": DynamoHandler.batch_get_item,
    "DynamoDB_20120810.BatchWriteItem": DynamoHandler.batch_write_item,
    "DynamoDB_20120810.DeleteItem": DynamoHandler.delete_item,
    "DynamoDB_20120810.GetItem": DynamoHandler.get_item,
    "DynamoDB_20120810.PutItem": DynamoHandler.put_item,
    "DynamoDB_20120810.Query": DynamoHandler.query,
    "DynamoDB_20120810.Scan": DynamoHandler.scan,
    "DynamoDB_20120810.TransactGetItems": DynamoHandler.transact_get_items,
    "DynamoDB_20120810.TransactWriteItems": DynamoHandler.transact_write_items,
    "DynamoDB_20120810.UpdateItem": DynamoHandler.update_item,
}

Answer = tuple[int, dict[str, Any], str | bytes]

_moto_answer = botocore_stubber.process_request


def answer(request: AWSPreparedRequest) -> Answer | None:
    """Return the status, headers and body for a request to AWS; None for one to anywhere else."""
    address = ADDRESS.match(request.url)
    if address is None:
        return _moto_answer(request) if ".amazonaws.com" in request.url else None
    target = request.headers["X-Amz-Target"]
    operation = OPERATIONS.get(target.decode() if isinstance(target, bytes) else target)
    if operation is None:
        return _moto_answer(request)
    handler = DynamoHandler()
    handler.region = address["region"]
    handler.current_account = DEFAULT_ACCOUNT_ID
    handler.body = json.loads(cast("bytes", request.body))
    handler.params = handler.body
    headers = {"Content-Type": "application/x-amz-json-1.0", "x-amzn-RequestId": new_id()}
    try:
        return 200, headers, json.dumps(operation(handler).result, default=base64_text)
    except HTTPException as error:
        return error.code or 500, headers, error.description or ""


def new_id(headers: dict[str, Any] | None = None) -> str:
    """Return a request's id, and put it into its headers; moto draws each of 52 letters."""
    request_id = uuid.uuid4().hex
    if isinstance(headers, dict):
        headers["x-amzn-requestid"] = request_id
    return request_id

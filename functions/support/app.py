"""The support function: its API and its console.

API Gateway admits whoever has a valid token. The token's scopes decide what they may do: each call demands the scope
that it takes.
"""

from typing import Any

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.metrics import MetricUnit

import routes  # noqa: F401 - adds all of them
import snapshots  # noqa: F401 - adds its hooks, if SnapStart is on
from application import app, log_call, logger, metrics
from openapi import document
from request_bodies import with_plain_media_type


@app.get("/v1/openapi.json", include_in_schema=False)
def openapi_document() -> Response[str]:
    """Return the description of this API, for other programs."""
    return Response(200, "application/json; charset=utf-8", document(app))


@logger.inject_lambda_context
@metrics.log_metrics
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Answer a request of API Gateway (payload format 2.0), and log who asked for what."""
    metrics.add_metric(name="SupportRequests", unit=MetricUnit.Count, value=1)
    answer: dict[str, Any] = app.resolve(with_plain_media_type(event), context)
    log_call(event, answer["statusCode"])
    return answer

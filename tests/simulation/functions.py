"""The real handlers, loaded once, with a simulated AWS and clock in place of botocore's requests and the system's."""

import importlib.util
import os
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, tzinfo
from functools import cache
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any
from unittest.mock import patch

from aws_lambda_powertools.metrics.provider.cloudwatch_emf.cloudwatch import AmazonCloudWatchEMFProvider
from botocore.client import BaseClient

from certrules import aws, redeciding, storage

ROOT = Path(__file__).resolve().parents[2]
NAMES = ("ingest", "publish", "sweep", "redecide", "decide", "load", "plan", "apply", "reconcile")
BUCKET = "bulk"
TABLES = ("certificates", "history", "support")
HISTORY = "history"
CERTIFICATES = "certificates"
INGEST, REDECIDE, PARKED = "ingest-queue", "redecide-queue", "parked-queue"
MACHINE = "arn:aws:states:eu-west-1:123456789012:stateMachine:redecide"

ENVIRONMENT = {
    "ACTING_SOURCES": "openedx/lms/web",
    "AWS_ACCESS_KEY_ID": "simulated",
    "AWS_SECRET_ACCESS_KEY": "simulated",
    "AWS_DEFAULT_REGION": "eu-west-1",
    "AWS_EC2_METADATA_DISABLED": "true",
    "BULK_BUCKET": BUCKET,
    "BUS_NAME": "bus",
    "CERTIFICATES_TABLE": "certificates",
    "CERTIFICATE_URL": "https://example.org/certificates/",
    "HISTORY_TABLE": "history",
    "INGEST_QUEUE_URL": INGEST,
    "PARKED_QUEUE_URL": PARKED,
    "PLATFORM_ACCOUNTS": "123456789012",
    "PLATFORM_SOURCES": "openedx/*",
    "PUBLISH_HOST": "publish",
    "REDECIDE_MACHINE": MACHINE,
    "REDECIDE_QUEUE_URL": REDECIDE,
    "SUPPORT_TABLE": "support",
    "POWERTOOLS_LOG_LEVEL": "CRITICAL",
    "POWERTOOLS_METRICS_NAMESPACE": "certificates",
    "POWERTOOLS_SERVICE_NAME": "simulated",
}

_CONTEXT = SimpleNamespace(
    function_name="simulated",
    memory_limit_in_mb="512",
    invoked_function_arn="arn:aws:lambda:eu-west-1:123456789012:function:simulated",
    aws_request_id="request",
    get_remaining_time_in_millis=lambda: 900_000,
)


@cache
def handlers() -> Mapping[str, Callable[[Any], Any]]:
    """Load the handlers of all functions, in the environment of all of them."""
    os.environ.update(ENVIRONMENT)
    found = {}
    for name in NAMES:
        spec = importlib.util.spec_from_file_location(f"simulated_{name}", ROOT / "functions" / name / "app.py")
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        found[name] = _called(module)
    storage.connect(*TABLES)
    redeciding.PAGE = 1  # so that a few learners are several pages
    return found


def _called(module: ModuleType) -> Callable[[Any], Any]:
    def call(event: Any) -> Any:
        try:
            return module.handler(event, _CONTEXT)
        finally:
            if hasattr(module, "metrics"):
                module.metrics.provider.clear_metrics()  # Powertools has one set for all functions of a process

    return call


@contextmanager
def surroundings(
    request: Callable[[Any, str, Mapping[str, Any]], Any], now: Callable[[], datetime], random: Callable[[int], bytes]
) -> Iterator[None]:
    """Have all requests to AWS answered by `request`, the clock by `now`, and new ids made of `random` bytes."""

    class Clock:
        """The clock of the host of the invocation that runs now."""

        @staticmethod
        def now(_: tzinfo) -> datetime:
            return now()

    with (
        patch.object(BaseClient, "_make_api_call", request_method(request)),
        patch.object(aws, "datetime", Clock),
        patch.object(AmazonCloudWatchEMFProvider, "flush_metrics"),  # metrics go nowhere
        patch.object(uuid, "os", SimpleNamespace(urandom=random)),
    ):
        yield


def request_method(request: Callable[[Any, str, Mapping[str, Any]], Any]) -> Callable[..., Any]:
    """Return a function as a method of botocore's clients."""

    def make_api_call(client: Any, operation: str, params: Mapping[str, Any]) -> Any:
        return request(client, operation, params)

    return make_api_call

"""What replaces parts of moto while a local cloud exists, and its environment."""

from __future__ import annotations

import json
import os
from contextlib import contextmanager
from functools import cache
from inspect import getattr_static
from typing import TYPE_CHECKING, Any

import moto.backends
import moto.core.responses
import moto.dynamodb.models
import moto.dynamodb.models.dynamo_type
import moto.events.models
import moto.kms.models
import moto.s3.models
import moto.s3.urls
import moto.sqs.models
import moto.utilities.aws_headers
from moto.cloudformation.models import Stack
from moto.cloudwatch.models import CloudWatchBackend
from moto.core.models import botocore_stubber
from moto.core.utils import method_names_from_class
from moto.dynamodb.models import dynamodb_backends
from moto.kms.utils import generate_private_key
from moto.sqs.models import sqs_backends

from localcloud import requests, steps
from localcloud.encoding import Untracked
from localcloud.queues import LocalSqs
from localcloud.rules import LocalBus, LocalReplay, LocalRule
from localcloud.service_metrics import all_metrics
from localcloud.tables import Attributes, LocalDynamoDB, LocalTable

if TYPE_CHECKING:
    from collections.abc import Iterator


REGION = "eu-west-1"


ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "local",
    "AWS_SECRET_ACCESS_KEY": "local",
    "AWS_REGION": REGION,
    "AWS_DEFAULT_REGION": REGION,
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    "AWS_EC2_METADATA_DISABLED": "true",
    # Moto's streams don't know the addresses that contain an account's number.
    "AWS_ACCOUNT_ID_ENDPOINT_MODE": "disabled",
}


_as_moto_reads = Stack.parse_template


def _template_in(text: str) -> dict[str, Any]:
    """Read a template. Moto tries YAML first, which takes a hundred times as long for JSON."""
    template: dict[str, Any] = json.loads(text) if text.lstrip().startswith("{") else _as_moto_reads(text)
    return template


# What moto does too slowly, not atomically or not at all.
REPLACED: tuple[tuple[object, str, object], ...] = (
    (botocore_stubber, "process_request", requests.answer),
    (moto.core.responses, "gen_amzn_requestid_long", requests.new_id),
    (moto.core.responses, "method_names_from_class", cache(method_names_from_class)),  # inspects it at each request
    (moto.utilities.aws_headers, "gen_amzn_requestid_long", requests.new_id),
    (dynamodb_backends, "backend", LocalDynamoDB),
    (Stack, "parse_template", staticmethod(_template_in)),
    (moto.dynamodb.models, "Table", LocalTable),
    (moto.dynamodb.models.dynamo_type, "LimitedSizeDict", Attributes),
    (moto.dynamodb.models.dynamo_type.Item, "instances_tracked", Untracked()),
    (CloudWatchBackend, "get_all_metrics", all_metrics),
    (moto.events.models, "EventBus", LocalBus),
    (moto.events.models, "Replay", LocalReplay),
    (moto.events.models, "Rule", LocalRule),
    (moto.kms.models, "generate_private_key", cache(generate_private_key)),  # an RSA key for each table
    (moto.s3.models.S3Backend, "_url_module", moto.s3.urls),  # moto loads it again at each request, in any thread
    (moto.sqs.models.Message, "instances_tracked", Untracked()),
    (sqs_backends, "backend", LocalSqs),
    *steps.REPLACED,
)


@contextmanager
def replaced(owner: object, name: str, value: object) -> Iterator[None]:
    """Have an attribute of moto's be ours for a while."""
    before = getattr_static(owner, name) if isinstance(owner, type) else getattr(owner, name)
    setattr(owner, name, value)
    try:
        yield
    finally:
        setattr(owner, name, before)


@contextmanager
def own_environment() -> Iterator[None]:
    """Take every AWS setting of this process away for a while: only the local cloud is to be found."""
    before = {name: os.environ.pop(name) for name in list(os.environ) if name.startswith("AWS_")}
    os.environ.update(ENVIRONMENT)
    try:
        yield
    finally:
        for name in [name for name in os.environ if name.startswith("AWS_")]:
            del os.environ[name]
        os.environ.update(before)

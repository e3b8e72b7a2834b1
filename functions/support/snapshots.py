"""SnapStart: what the function has ready when its snapshot is taken, and what each copy of it makes again.

Lambda takes the snapshot once, after the import; later it starts copies of it in place of new processes. A copy has
everything that the import left behind: also open connections, and the state of `random`. `uuid4` and `secrets` ask the
system, which differs in each copy. Credentials come with the time when they expire, and botocore gets others by then.
"""

import os
import random
from typing import Any

from application import app
from certrules import aws, storage
from certrules.support import learners
from openapi import document
from pages import pages

_SERVICES = ("events", "s3", "secretsmanager", "sqs", "stepfunctions")
"""The services that the function calls, beside DynamoDB."""


def prepare() -> None:
    """Do before the snapshot what the first requests would wait for. It calls no service, so none can fail it."""
    _clients()
    for name in pages.list_templates(extensions=["html"]):
        pages.get_template(name)
    document(app)  # reads the models of all calls


def renew() -> None:
    """Make again, in a copy of the snapshot, what no two copies may share, and what may have expired meanwhile."""
    random.seed()  # botocore waits a random time before a retry: all copies would wait equally long
    for client in _clients():
        client.close()  # its connections; it opens others
    learners.platform.cache_clear()  # its token expires by a clock that stands still in a snapshot


def _clients() -> list[Any]:
    """Return the clients of AWS, made once."""
    return [storage.shared_connection().client, *map(aws.client, _SERVICES)]


if os.environ.get("AWS_LAMBDA_INITIALIZATION_TYPE") == "snap-start":  # else the runtime would never call them
    from snapshot_restore_py import register_after_restore, register_before_snapshot  # only the runtime has it

    register_before_snapshot(prepare)
    register_after_restore(renew)

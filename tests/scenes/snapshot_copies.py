"""Stands in for SnapStart: a process of the support function that is forked where Lambda would take its snapshot.

`python -m tests.scenes.snapshot_copies COPIES`, in the function's environment. A fork has what a copy of a snapshot
has: all that the import and the hooks left behind, open connections and the state of `random` included. Writes a line
of JSON for each copy.
"""

import json
import os
import random
import sys
from collections.abc import Callable
from typing import Any
from uuid import uuid4

from snapshot_restore_py import get_after_restore, get_before_snapshot

from bench.batches import Context
from tests.scenes.machine import ROOT

CASE = "/v1/case"
QUERY = "learner_id=7&course_run=course-v1%3ACertX%2BCS1%2B2026"


def request_for(path: str, query: str = "") -> dict[str, Any]:
    """Return a request by somebody who may view, as API Gateway passes it on."""
    claims = {"sub": "ada", "scope": "certificates/view"}
    http = {"method": "GET", "path": path, "protocol": "HTTP/1.1", "sourceIp": "192.0.2.1", "userAgent": "test"}
    context = {"http": http, "authorizer": {"jwt": {"claims": claims}}, "stage": "$default", "requestId": "r1"}
    named = {"version": "2.0", "routeKey": "ANY /{proxy+}", "rawPath": path, "rawQueryString": query}
    asked = dict(part.split("=") for part in query.replace("%3A", ":").replace("%2B", "+").split("&") if part)
    return {**named, "queryStringParameters": asked, "headers": {}, "requestContext": context, "isBase64Encoded": False}


def answer_of(handler: Callable[..., dict[str, Any]]) -> dict[str, Any]:
    """Return what a copy answers, and what no two copies may share."""
    answer = handler(request_for(CASE, QUERY), Context())
    return {"status": answer["statusCode"], "chance": random.random(), "id": str(uuid4())}


def main(copies: int) -> None:
    """Import the function, ask it something, run the hooks, and let each copy answer."""
    sys.path.insert(0, str(ROOT / "functions" / "support"))
    import app

    answer_of(app.handler)  # leaves a connection open, as an import might
    for hook, arguments, named in reversed(get_before_snapshot()):
        hook(*arguments, **named)
    for _ in range(copies):
        child = os.fork()
        if child == 0:
            for hook, arguments, named in get_after_restore():
                hook(*arguments, **named)
            sys.stdout.write(f"copy {json.dumps(answer_of(app.handler))}\n")
            sys.stdout.flush()  # which `_exit` doesn't
            os._exit(0)
        os.waitpid(child, 0)


if __name__ == "__main__":
    main(int(sys.argv[1]))

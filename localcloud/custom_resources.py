"""Custom resources: a function of the stack is asked as CloudFormation asks it, and answers over HTTP."""

from __future__ import annotations

import json
from http.server import BaseHTTPRequestHandler
from socketserver import TCPServer
from threading import Thread
from typing import TYPE_CHECKING, Any, cast, override
from uuid import uuid4

if TYPE_CHECKING:
    from collections.abc import Callable

ANSWER_SECONDS = 60  # after the function has ended; CloudFormation waits for an hour


class StackFailedError(Exception):
    """A custom resource was refused; the message has its function's reason. CloudFormation rolls the stack back."""


class _Listener(TCPServer):
    """Takes one answer."""

    answer: dict[str, Any] | None = None
    timeout = ANSWER_SECONDS


class _Answer(BaseHTTPRequestHandler):
    def do_PUT(self) -> None:
        """Take the answer."""
        cast("_Listener", self.server).answer = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(200)
        self.end_headers()

    @override
    def log_message(self, format: str, *args: object) -> None:
        """Log nothing."""


def create(name: str, kind: str, properties: dict[str, Any], invoke: Callable[[str, object], object]) -> None:
    """Have the function behind a custom resource create it. Raises StackFailedError."""
    with _Listener(("127.0.0.1", 0), _Answer) as listener:
        listening = Thread(target=listener.handle_request, daemon=True)
        listening.start()
        invoke(
            properties["ServiceToken"],
            {
                "RequestType": "Create",
                "ResponseURL": f"http://127.0.0.1:{listener.server_address[1]}/",
                "StackId": "arn:aws:cloudformation:eu-west-1:123456789012:stack/local/1",
                "RequestId": str(uuid4()),
                "ResourceType": kind,
                "LogicalResourceId": name,
                "ServiceToken": properties["ServiceToken"],
                "ResourceProperties": _as_sent(properties),
            },
        )
        listening.join()
        answer = listener.answer or {"Reason": "its function did not answer"}
    if answer.get("Status") != "SUCCESS":
        raise StackFailedError(f"{name}: {answer.get('Reason')}")


def _as_sent(value: Any) -> Any:
    """Return a property as CloudFormation sends it: every number and boolean is a text."""
    if isinstance(value, dict):
        return {name: _as_sent(part) for name, part in value.items()}
    if isinstance(value, list):
        return [_as_sent(part) for part in value]
    return str(value).lower() if isinstance(value, bool) else str(value)

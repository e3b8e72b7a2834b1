"""A stand-in of the Credentials service and of the platform's tokens, for functions in containers.

It takes whatever it is sent, and shows its account no more than whether a course run has a date. How the real service
behaves is the matter of tests/records.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from werkzeug import Request

from localcloud import LocalCloud
from localcloud.serving import response, serve

_NAME = "debug-credentials"  # of the secret

Json = dict[str, Any]


@contextmanager
def credentials_service() -> Iterator[dict[str, str]]:
    """Serve the stand-in for a while; yield the template's parameters for it."""
    port, stop = serve(_Service(), "0.0.0.0", 0)  # noqa: S104 - containers must reach it
    url = f"http://127.0.0.1:{port}"
    try:
        yield {
            "CredentialsUrl": url,
            "CredentialsTokenUrl": url,
            "CredentialsSecret": f"arn:aws:secretsmanager:eu-west-1:123456789012:secret:{_NAME}",
            "LearnerNames": "on",
        }
    finally:
        stop()


def store_secret(cloud: LocalCloud) -> None:
    """Store the secret of the service's account."""
    secret = json.dumps({"client_id": "debug", "client_secret": "debug"})
    cloud.client("secretsmanager").create_secret(Name=_NAME, SecretString=secret)


class _Service:
    """The service, as a WSGI application."""

    def __init__(self) -> None:
        self._dates: dict[str, Json] = {}  # by course run

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Any:
        request = Request(environ)
        status, body = self._answer(request)
        return response(status, [("Content-Type", "application/json")], json.dumps(body))(environ, start_response)

    def _answer(self, request: Request) -> tuple[int, Json]:
        path = request.path
        if path == "/oauth2/access_token":
            return 200, {"access_token": "debug", "expires_in": 3600, "token_type": "JWT"}
        if path.startswith("/api/v2/course_certificates/") and request.method == "GET":
            found = self._dates.get(path.split("/")[4])
            return (404, {}) if found is None else (200, found)
        if request.method == "GET":
            return 403 if path.startswith("/api/v2/credentials/") else 200, {}
        body: Json = request.get_json()
        if path == "/api/v2/credentials/":
            return 201, {**body, "uuid": str(uuid5(NAMESPACE_URL, json.dumps([body["username"], body["credential"]])))}
        if path == "/api/v2/course_certificates/":
            self._dates[body["course_id"]] = body
            return 201, body
        if path == "/api/v2/grades/":
            return 201, {**body, "percent_grade": str(body["percent_grade"])}
        if path == "/api/v2/replace_usernames/":
            return 200, {"successful_replacements": body["username_mappings"], "failed_replacements": []}
        return 200, {"status": []}

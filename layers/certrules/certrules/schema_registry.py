"""The platform's schema registry: which schema has the id that stands before a value of Kafka."""

import json
import os
import time
from base64 import b64encode
from collections.abc import Callable
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from certrules import aws
from certrules.formats.avro import Schema
from certrules.formats.bus_schemas import Schemas, shipped_schema

_SECONDS = 5
_MOST_BYTES = 1024 * 1024
_ASKED_AGAIN = 60  # seconds after which an id that the registry didn't have is looked up again
_MOST_IDS = 10_000
_NO_REGISTRY = "the schema registry does not answer as one"


class Registry:
    """Looks up schemas in a registry that speaks Confluent's protocol, each once."""

    def __init__(self, url: str, login: tuple[str, str] | None, clock: Callable[[], float] = time.monotonic) -> None:
        """Look up at this address (http or https), with a user and a password if there is a login."""
        self._url, self._clock = url.rstrip("/"), clock
        self._login = b64encode(":".join(login).encode()).decode() if login else ""
        self._schemas: dict[int, Schema] = {}
        self._ids: dict[tuple[str, str], int] = {}  # of what was registered
        self._unknown: dict[int, float] = {}  # when it was looked up

    def __call__(self, schema_id: int | None, event_type: str) -> Schema | None:
        """Return the schema with this id; without an id, the one that is shipped for the type.

        None if the registry has none. Raises OSError if it can't be reached or refuses the login: a retry can help.
        """
        if schema_id is None:
            return shipped_schema(schema_id, event_type)
        if schema_id in self._schemas:
            return self._schemas[schema_id]
        if self._clock() - self._unknown.get(schema_id, -_ASKED_AGAIN) < _ASKED_AGAIN:
            return None
        schema = self._fetched(schema_id)
        if schema is None:
            self._unknown[schema_id] = self._clock()
        else:
            self._schemas[schema_id] = schema
        for known in (self._schemas, self._unknown):
            if len(known) > _MOST_IDS:
                known.clear()
        return schema

    def registered(self, subject: str, schema: str) -> int:
        """Register a schema (JSON) under a subject, unless it is there; return its id. Raises OSError."""
        known = self._ids.get((subject, schema))
        if known is None:
            body = json.dumps({"schema": schema}).encode()
            answer = self._answer(f"/subjects/{subject}/versions", body)
            known = self._ids[subject, schema] = int(_part(answer, "id"))
        return known

    def _fetched(self, schema_id: int) -> Schema | None:
        try:
            answer = self._answer(f"/schemas/ids/{schema_id}")
        except HTTPError as error:
            if error.code == 404:
                return None
            raise
        try:
            found: Schema = json.loads(_part(answer, "schema"))
        except (ValueError, TypeError, RecursionError) as error:
            raise OSError(_NO_REGISTRY) from error
        return found

    def _answer(self, path: str, body: bytes | None = None) -> bytes:
        kind = {"Content-Type": "application/vnd.schemaregistry.v1+json"} if body else {}
        request = Request(f"{self._url}{path}", body, kind)  # noqa: S310
        if self._login:  # not sent on to where the registry may redirect
            request.add_unredirected_header("Authorization", f"Basic {self._login}")
        with urlopen(request, timeout=_SECONDS) as response:  # noqa: S310
            answer: bytes = response.read(_MOST_BYTES)
        return answer


def _part(answer: bytes, name: str) -> Any:
    """Return a part of an answer. Raises OSError for an answer that no registry gives."""
    try:
        return json.loads(answer)[name]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise OSError(_NO_REGISTRY) from error


def from_environment() -> Schemas:
    """Return the schemas by the stack's parameters: the registry that they name, or those that are shipped."""
    return named_registry() or shipped_schema


def named_registry() -> Registry | None:
    """Return the registry that the environment names, if it does."""
    url = os.environ.get("SCHEMA_REGISTRY_URL", "")
    secret = os.environ.get("SCHEMA_REGISTRY_SECRET", "")
    return Registry(url, _login(secret) if secret else None) if url else None


def _login(secret: str) -> tuple[str, str]:
    """Return user and password of a secret with this ARN: JSON with `username` and `password`."""
    found = json.loads(aws.client("secretsmanager").get_secret_value(SecretId=secret)["SecretString"])
    return found["username"], found["password"]

"""The platform's schema registry: which schema has the id that stands before a value of Kafka."""

import json
import os
import time
from base64 import b64encode
from collections.abc import Callable
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from certrules import aws
from certrules.formats.avro import Schema
from certrules.formats.bus_schemas import Schemas, shipped_schema

_SECONDS = 5
_MOST_BYTES = 1024 * 1024
_ASKED_AGAIN = 60  # seconds after which an id that the registry didn't have is looked up again
_MOST_IDS = 10_000


class Registry:
    """Looks up schemas in a registry that speaks Confluent's protocol, each once."""

    def __init__(self, url: str, login: tuple[str, str] | None, clock: Callable[[], float] = time.monotonic) -> None:
        """Look up at this address (http or https), with a user and a password if there is a login."""
        self._url, self._clock = url.rstrip("/"), clock
        self._login = b64encode(":".join(login).encode()).decode() if login else ""
        self._schemas: dict[int, Schema] = {}
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

    def _fetched(self, schema_id: int) -> Schema | None:
        request = Request(f"{self._url}/schemas/ids/{schema_id}")  # noqa: S310
        if self._login:  # not sent on to where the registry may redirect
            request.add_unredirected_header("Authorization", f"Basic {self._login}")
        try:
            with urlopen(request, timeout=_SECONDS) as response:  # noqa: S310
                answer = response.read(_MOST_BYTES)
        except HTTPError as error:
            if error.code == 404:
                return None
            raise
        try:
            found: Schema = json.loads(json.loads(answer)["schema"])
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise OSError("the schema registry does not answer as one") from error
        return found


def from_environment() -> Schemas:
    """Return the schemas by the stack's parameters: the registry that they name, or those that are shipped."""
    url = os.environ.get("SCHEMA_REGISTRY_URL", "")
    if not url:
        return shipped_schema
    secret = os.environ.get("SCHEMA_REGISTRY_SECRET", "")
    return Registry(url, _login(secret) if secret else None)


def _login(secret: str) -> tuple[str, str]:
    """Return user and password of a secret with this ARN: JSON with `username` and `password`."""
    found = json.loads(aws.client("secretsmanager").get_secret_value(SecretId=secret)["SecretString"])
    return found["username"], found["password"]

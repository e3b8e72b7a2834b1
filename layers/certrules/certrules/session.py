"""botocore sessions whose clients of DynamoDB are spared what is the same at each request: half of a request's CPU.

What is retried, sent and reported as an error stays botocore's, and what is on the wire is the same but for the user
agent, and for spaces and escapes in the JSON of a request on items.
"""

import hmac
from functools import lru_cache
from hashlib import sha256
from typing import Any, override
from urllib.parse import quote, urlsplit

import msgspec
from botocore.auth import (  # type: ignore[attr-defined] # the stubs leave one out
    SIGNED_HEADERS_BLACKLIST,
    SIGV4_TIMESTAMP,
    _host_from_url,
)
from botocore.awsrequest import AWSPreparedRequest, HeadersDict
from botocore.client import BaseClient
from botocore.compat import get_current_datetime
from botocore.config import Config
from botocore.exceptions import NoCredentialsError
from botocore.handlers import add_retry_headers
from botocore.parsers import JSONParser, ResponseParser, ResponseParserFactory
from botocore.serialize import JSONSerializer
from botocore.session import Session
from botocore.utils import normalize_url_path

_UNSIGNED = frozenset(SIGNED_HEADERS_BLACKLIST)

_ON_ITEMS = {"BatchGetItem", "GetItem", "PutItem", "Query", "Scan", "TransactWriteItems", "UpdateItem"}
"""Operations whose parameters are JSON but for bytes: no times, and no names of their own on the wire."""


def lean(session: Session) -> Session:
    """Return the session, whose clients have a fixed user agent, and whose clients of DynamoDB are lean."""
    session.set_default_client_config(Config(user_agent="course-certificates"))
    session.register("creating-client-class.dynamodb", _lean_client)
    session.register_component("response_parser_factory", _Parsers())
    return session


def _lean_client(**making: Any) -> None:
    making["base_classes"].insert(0, _Client)


class _Client(BaseClient):
    """Stays at the endpoint that it was made with, and makes its requests at once."""

    def __init__(self, **parts: Any) -> None:
        if isinstance(parts["serializer"], JSONSerializer):  # and none that looks for mistakes in parameters first
            parts["serializer"] = _ItemSerializer()
        super().__init__(**parts)
        parts["endpoint"].create_request = _Requests(parts["request_signer"])

    def _resolve_endpoint_ruleset(self, *_: object) -> tuple[str, dict[str, str], dict[str, Any]]:
        return self.meta.endpoint_url, {}, {}  # botocore's answer for a service without endpoint rules


class _ItemSerializer(JSONSerializer):
    """Writes parameters as they came, bytes as Base64: botocore would copy each value by the shapes of all types."""

    @override
    def serialize_to_request(self, parameters: Any, operation_model: Any) -> Any:
        if operation_model.name not in _ON_ITEMS:
            return super().serialize_to_request(parameters, operation_model)
        request = super().serialize_to_request({}, operation_model)
        request["body"] = msgspec.json.encode(parameters)
        return request


class _Requests:
    """Makes a client's requests, signed by AWS's Signature Version 4.

    botocore makes headers five times over, and asks all who listen to `request-created`, which none needs to but its
    own signer. The headers that are signed, and their values, are those that botocore signs.
    """

    def __init__(self, signer: Any) -> None:
        self._signer = signer

    def __call__(self, params: dict[str, Any], _operation: object = None) -> Any:
        """Return a request. Raises NoCredentialsError."""
        if self._signer._credentials is None:  # noqa: SLF001 - nowhere else are the credentials of this very client
            raise NoCredentialsError
        credentials = self._signer._credentials.get_frozen_credentials()  # noqa: SLF001 - renewed when they expire
        url, body = params["url"], params["body"]
        headers = {**params["headers"], "X-Amz-Date": get_current_datetime().strftime(SIGV4_TIMESTAMP)}
        if credentials.token:
            headers["X-Amz-Security-Token"] = credentials.token
        headers["Authorization"] = self._authorization(credentials, url, headers, body)
        headers["Content-Length"] = str(len(body))
        given: Any = "POST", url, HeadersDict(headers), body, False, params["context"]
        request: Any = AWSPreparedRequest(*given)
        add_retry_headers(request)
        return request

    def _authorization(self, credentials: Any, url: str, headers: dict[str, str], body: bytes) -> str:
        host, path = _place(url)
        named = ((name.lower(), " ".join(value.split())) for name, value in headers.items())
        signed = sorted([("host", host), *((name, value) for name, value in named if name not in _UNSIGNED)])
        names = ";".join(name for name, _ in signed)
        lines = "".join(f"{name}:{value}\n" for name, value in signed)
        request = f"POST\n{path}\n\n{lines}\n{names}\n{sha256(body).hexdigest()}"
        at, region, service = headers["X-Amz-Date"], self._signer.region_name, self._signer.signing_name
        scope = f"{at[:8]}/{region}/{service}/aws4_request"
        text = f"AWS4-HMAC-SHA256\n{at}\n{scope}\n{sha256(request.encode()).hexdigest()}"
        signature = _hmac(_key(credentials.secret_key, scope), text).hex()
        key_id = credentials.access_key
        return f"AWS4-HMAC-SHA256 Credential={key_id}/{scope}, SignedHeaders={names}, Signature={signature}"


@lru_cache(maxsize=4)
def _place(url: str) -> tuple[str, str]:
    """Return host and path of an address, as they are signed."""
    return _host_from_url(url), quote(normalize_url_path(urlsplit(url).path), safe="/~")


@lru_cache(maxsize=4)
def _key(secret: str, scope: str) -> bytes:
    """Return the key that signs requests of this scope: the same all day."""
    key = f"AWS4{secret}".encode()
    for part in scope.split("/"):
        key = _hmac(key, part)
    return key


def _hmac(key: bytes, text: str) -> bytes:
    return hmac.digest(key, text.encode(), "sha256")


class _Parsers(ResponseParserFactory):
    """Makes botocore's parsers, and for JSON one that is quick with DynamoDB's items."""

    @override
    def create_parser(self, protocol_name: str) -> ResponseParser:
        return _ItemParser() if protocol_name == "json" else super().create_parser(protocol_name)


class _ItemParser(JSONParser):
    """Takes the strings and numbers of an item as they came: botocore would copy each by the shapes of all types."""

    def _handle_map(self, shape: Any, value: Any) -> Any:
        if shape.value.name != "AttributeValue":
            return super()._handle_map(shape, value)  # type: ignore[misc] # the stubs leave it out
        return {
            name: typed if "S" in typed or "N" in typed else self._parse_shape(shape.value, typed)  # type: ignore[attr-defined]
            for name, typed in value.items()
        }

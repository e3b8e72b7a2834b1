"""botocore sessions whose clients of DynamoDB are spared what is the same at each request.

What is retried, sent and reported as an error stays botocore's, and what is on the wire is the same but for the user
agent, and for spaces and escapes in the JSON of a request on items.
"""

from typing import Any, override

import msgspec
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.client import BaseClient
from botocore.config import Config
from botocore.handlers import add_retry_headers
from botocore.parsers import JSONParser, ResponseParser, ResponseParserFactory
from botocore.serialize import JSONSerializer
from botocore.session import Session

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
    """Makes a client's requests, and has botocore's own signer sign them.

    botocore would make headers five times over, and ask all who listen to `request-created`, of whom a client of
    DynamoDB needs these two: the retry headers and the signature.
    """

    def __init__(self, signer: Any) -> None:
        self._signer = signer

    def __call__(self, params: dict[str, Any], _operation: object = None) -> Any:
        """Return a request. Raises NoCredentialsError."""
        signer = self._signer
        known = signer._credentials  # noqa: SLF001 - nowhere else are the credentials of this very client
        credentials = known and known.get_frozen_credentials()  # renewed when they expire
        request: Any = AWSRequest("POST", params["url"], params["headers"], params["body"])
        request.context = params["context"]
        SigV4Auth(credentials, signer.signing_name, signer.region_name).add_auth(request)
        add_retry_headers(request)
        return request.prepare()


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

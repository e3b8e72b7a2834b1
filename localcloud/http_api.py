"""An HTTP API of the template, as API Gateway runs it: routes, the JWT authorizer, events of payload format 2.0.

Tokens are signed with a secret of this process, since there is no identity provider here. The authorizer requires
everything else that API Gateway requires.
"""

from __future__ import annotations

import hmac
import json
import secrets
import time
from base64 import b64decode, b64encode, urlsafe_b64decode, urlsafe_b64encode
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import parse_qsl, unquote, urlsplit
from uuid import uuid4

from werkzeug import Request

from localcloud import serving

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from werkzeug import Response

COOKIE = "local-token"
METHODS = {"x-amazon-apigateway-any-method": "ANY"}


class Route(NamedTuple):
    """A method and path of the API, and the function behind it."""

    method: str  # or ANY
    path: str  # with {parameters}; {proxy+} takes the rest
    function: str  # the logical id
    scopes: tuple[str, ...]  # one of these is needed


class HttpResponse(NamedTuple):
    """A response of the API."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes


class HttpApi:
    """The API. `resolve` gives the value of a template's fragment, `invoke` runs a function by its logical id."""

    def __init__(
        self, body: Mapping[str, Any], resolve: Callable[[Any], Any], invoke: Callable[[str, Any], Any]
    ) -> None:
        self._invoke = invoke
        self._secret = secrets.token_bytes(32)
        self._routes = sorted(_routes(body, resolve), key=lambda route: ("{" in route.path, route.method == "ANY"))
        schemes = body.get("components", {}).get("securitySchemes", {}).values()
        settings = [resolve(scheme["x-amazon-apigateway-authorizer"]["jwtConfiguration"]) for scheme in schemes]
        self._issuer = settings[0]["issuer"]
        self._audience = settings[0]["audience"][0]

    def token(self, actor: str, scopes: Iterable[str], lifetime: timedelta = timedelta(hours=8), **claims: Any) -> str:
        """Return a token for an actor with these scopes."""
        now = int(time.time())
        payload = {"iss": self._issuer, "aud": self._audience, "sub": actor, "scope": " ".join(scopes)}
        payload |= {"iat": now, "exp": now + int(lifetime.total_seconds()), **claims}
        signed = ".".join(_part(json.dumps(part).encode()) for part in ({"alg": "HS256", "typ": "JWT"}, payload))
        return f"{signed}.{self._signature(signed)}"

    def request(
        self,
        method: str,
        target: str,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
    ) -> HttpResponse:
        """Answer a request for a path with its query."""
        parts = urlsplit(target)
        path = unquote(parts.path) or "/"
        route = next((route for route in self._routes if route.method in {"ANY", method} and _fits(route, path)), None)
        if route is None:
            return _message(404, "Not Found")
        lowered = {name.lower(): value for name, value in (headers or {}).items()}
        claims = self._claims(lowered.get("authorization", ""))
        if claims is None:
            return _message(401, "Unauthorized")
        scopes = str(claims.get("scope") or claims.get("scp") or "").split()
        if route.scopes and not set(scopes) & set(route.scopes):
            return _message(403, "Forbidden")
        event = _event(_Request(route, method, path, parts.query, lowered, body, claims))
        try:
            return _answer(self._invoke(route.function, event))
        except Exception:  # noqa: BLE001 - API Gateway answers every error of a handler alike
            return _message(500, "Internal Server Error")

    def _claims(self, authorization: str) -> dict[str, Any] | None:
        """Return the claims of a token; None if it is not valid."""
        signed, _, signature = authorization.removeprefix("Bearer ").rpartition(".")
        if not signed or not hmac.compare_digest(signature.encode(), self._signature(signed).encode()):
            return None
        claims: dict[str, Any] = json.loads(_bytes(signed.partition(".")[2]))
        trusted = claims["iss"] == self._issuer and claims["aud"] == self._audience and claims["exp"] > time.time()
        return claims if trusted else None

    def _signature(self, signed: str) -> str:
        return _part(hmac.digest(self._secret, signed.encode(), sha256))


def _part(content: bytes) -> str:
    return urlsafe_b64encode(content).rstrip(b"=").decode()


def _bytes(part: str) -> bytes:
    return urlsafe_b64decode(part + "=" * (-len(part) % 4))


def _routes(body: Mapping[str, Any], resolve: Callable[[Any], Any]) -> Iterator[Route]:
    for path, methods in _chosen(body["paths"], resolve).items():
        for name, method in methods.items():
            uri = json.dumps(method["x-amazon-apigateway-integration"]["uri"])
            function = uri.partition("functions/${")[2].partition(".")[0]
            scopes = [
                scope for requirement in method.get("security", []) for named in requirement.values() for scope in named
            ]
            yield Route(METHODS.get(name, name.upper()), path, function, tuple(resolve(scope) for scope in scopes))


def _chosen(fragment: Any, resolve: Callable[[Any], Any]) -> Any:
    """Return a fragment with the branch that holds in place of each Fn::If, and without what has no value then."""
    if not isinstance(fragment, dict):
        return fragment
    if "Fn::If" in fragment:
        condition, then, otherwise = fragment["Fn::If"]
        return _chosen(then if resolve({"Fn::If": [condition, True, False]}) else otherwise, resolve)
    chosen = {name: _chosen(part, resolve) for name, part in fragment.items()}
    return {name: part for name, part in chosen.items() if part != {"Ref": "AWS::NoValue"}}


def _fits(route: Route, path: str) -> bool:
    stem, parameter, _ = route.path.partition("{")
    return path.startswith(stem) and path != stem if parameter else path == route.path


class _Request(NamedTuple):
    """A request that the authorizer allows."""

    route: Route
    method: str
    path: str
    query: str
    headers: Mapping[str, str]  # names in lower case
    body: bytes
    claims: Mapping[str, Any]


def _event(request: _Request) -> dict[str, Any]:
    """Return the event that the function gets: payload format 2.0."""
    now = datetime.now(UTC)
    values: dict[str, str] = {}
    for name, value in parse_qsl(request.query, keep_blank_values=True):
        values[name] = f"{values[name]},{value}" if name in values else value
    text, encoded = _text(request.body)
    route, headers = request.route, request.headers
    key = f"{route.method} {route.path}"
    claims = {name: str(value) for name, value in request.claims.items()}
    return {
        "version": "2.0",
        "routeKey": key,
        "rawPath": request.path,
        "rawQueryString": request.query,
        "cookies": [part.strip() for part in headers.get("cookie", "").split(";") if part.strip()],
        "headers": {name: value for name, value in headers.items() if name != "cookie"},
        "queryStringParameters": values,
        "pathParameters": {"proxy": request.path[1:]} if "{proxy+}" in route.path else {},
        "requestContext": {
            "accountId": "123456789012",
            "apiId": "local",
            "authorizer": {"jwt": {"claims": claims, "scopes": list(route.scopes) or None}},
            "domainName": headers.get("host", "localhost"),
            "domainPrefix": "local",
            "http": {
                "method": request.method,
                "path": request.path,
                "protocol": "HTTP/1.1",
                "sourceIp": "127.0.0.1",
                "userAgent": headers.get("user-agent", ""),
            },
            "requestId": str(uuid4()),
            "routeKey": key,
            "stage": "$default",
            "time": now.strftime("%d/%b/%Y:%H:%M:%S +0000"),
            "timeEpoch": int(now.timestamp() * 1000),
        },
        "body": text,
        "isBase64Encoded": encoded,
    }


def _text(body: bytes) -> tuple[str, bool]:
    try:
        return body.decode(), False
    except UnicodeDecodeError:
        return b64encode(body).decode(), True


def _answer(answer: Any) -> HttpResponse:
    if not isinstance(answer, dict) or "statusCode" not in answer:
        return HttpResponse(200, [("content-type", "application/json")], json.dumps(answer).encode())
    body = answer.get("body") or ""
    content = b64decode(body) if answer.get("isBase64Encoded") else body.encode()
    headers = [(name, str(value)) for name, value in (answer.get("headers") or {}).items()]
    for name, values in (answer.get("multiValueHeaders") or {}).items():
        headers += [(name, str(value)) for value in values]
    return HttpResponse(
        int(answer["statusCode"]), headers + [("set-cookie", c) for c in answer.get("cookies") or []], content
    )


def _message(status: int, text: str) -> HttpResponse:
    return HttpResponse(status, [("content-type", "application/json")], json.dumps({"message": text}).encode())


def serve(api: HttpApi, host: str, port: int) -> tuple[int, Callable[[], None]]:
    """Serve the API on this port (0: any free one), for browsers too. Return the port and a function that stops it.

    `/sign-in?token=…` stores the token in a cookie. A request with the cookie goes to the API with the token, as the
    proxy in front of a deployment would send it.
    """

    @Request.application
    def application(request: Request) -> Response:
        target = serving.target_of(request)
        if request.path == "/sign-in":
            token = request.args.get("token", "")
            cookie = f"{COOKIE}={token}; HttpOnly; SameSite=Strict; Path=/"
            return serving.response(303, [("set-cookie", cookie), ("location", "/")], b"")
        headers = dict(request.headers.items())
        if "Authorization" not in headers and COOKIE in request.cookies:
            headers["Authorization"] = f"Bearer {request.cookies[COOKIE]}"
        answer = api.request(request.method, target, headers, request.get_data())
        return serving.response(answer.status, answer.headers, answer.body)

    return serving.serve(application, host, port)

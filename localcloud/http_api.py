"""An HTTP API of the template, as API Gateway runs it: routes, the JWT authorizer, events of payload format 2.0.

Tokens are signed with a secret of this process, for there is no identity provider here; all else about them is
checked as in the cloud.
"""

from __future__ import annotations

import hmac
import json
import secrets
import time
from base64 import b64decode, b64encode, urlsafe_b64decode, urlsafe_b64encode
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from http.cookies import SimpleCookie
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import TYPE_CHECKING, Any, NamedTuple, override
from urllib.parse import parse_qsl, unquote, urlsplit
from uuid import uuid4

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

COOKIE = "local-token"
METHODS = {"x-amazon-apigateway-any-method": "ANY"}


class Route(NamedTuple):
    """A method and path of the API, and what answers it."""

    method: str  # or ANY
    path: str  # with {parameters}; {proxy+} takes the rest
    function: str  # the logical id
    scopes: tuple[str, ...]  # one of these is needed


class Answer(NamedTuple):
    """What the API answers."""

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
        """Return a token by which somebody may do something here."""
        now = int(time.time())
        said = {"iss": self._issuer, "aud": self._audience, "sub": actor, "scope": " ".join(scopes)}
        said |= {"iat": now, "exp": now + int(lifetime.total_seconds()), **claims}
        signed = ".".join(_part(json.dumps(part).encode()) for part in ({"alg": "HS256", "typ": "JWT"}, said))
        return f"{signed}.{self._signature(signed)}"

    def request(
        self,
        method: str,
        target: str,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
    ) -> Answer:
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
        event = _event(route, method, path, parts.query, lowered, body, claims)
        try:
            return _answer(self._invoke(route.function, event))
        except Exception:  # noqa: BLE001 - whatever a handler raises is the same to API Gateway
            return _message(500, "Internal Server Error")

    def _claims(self, authorization: str) -> dict[str, Any] | None:
        """Return what a token says; None if it is not to be trusted."""
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
    for path, methods in body["paths"].items():
        for name, method in methods.items():
            uri = json.dumps(method["x-amazon-apigateway-integration"]["uri"])
            function = uri.partition("functions/${")[2].partition(".")[0]
            scopes = [scope for wanted in method.get("security", []) for named in wanted.values() for scope in named]
            yield Route(METHODS.get(name, name.upper()), path, function, tuple(resolve(scope) for scope in scopes))


def _fits(route: Route, path: str) -> bool:
    stem, parameter, _ = route.path.partition("{")
    return path.startswith(stem) and path != stem if parameter else path == route.path


def _event(
    route: Route,
    method: str,
    path: str,
    query: str,
    headers: Mapping[str, str],
    body: bytes,
    claims: Mapping[str, Any],
) -> dict[str, Any]:
    """Return the event that the function is given."""
    now = datetime.now(UTC)
    values: dict[str, str] = {}
    for name, value in parse_qsl(query, keep_blank_values=True):
        values[name] = f"{values[name]},{value}" if name in values else value
    text, encoded = _text(body)
    key = f"{route.method} {route.path}"
    jwt = {"claims": {name: str(value) for name, value in claims.items()}, "scopes": list(route.scopes) or None}
    return {
        "version": "2.0",
        "routeKey": key,
        "rawPath": path,
        "rawQueryString": query,
        "cookies": [part.strip() for part in headers.get("cookie", "").split(";") if part.strip()],
        "headers": {name: value for name, value in headers.items() if name != "cookie"},
        "queryStringParameters": values,
        "pathParameters": {"proxy": path[1:]} if "{proxy+}" in route.path else {},
        "requestContext": {
            "accountId": "123456789012",
            "apiId": "local",
            "authorizer": {"jwt": jwt},
            "domainName": headers.get("host", "localhost"),
            "domainPrefix": "local",
            "http": {
                "method": method,
                "path": path,
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


def _answer(answer: Any) -> Answer:
    if not isinstance(answer, dict) or "statusCode" not in answer:
        return Answer(200, [("content-type", "application/json")], json.dumps(answer).encode())
    body = answer.get("body") or ""
    content = b64decode(body) if answer.get("isBase64Encoded") else body.encode()
    headers = [(name, str(value)) for name, value in (answer.get("headers") or {}).items()]
    for name, values in (answer.get("multiValueHeaders") or {}).items():
        headers += [(name, str(value)) for value in values]
    return Answer(
        int(answer["statusCode"]), headers + [("set-cookie", c) for c in answer.get("cookies") or []], content
    )


def _message(status: int, text: str) -> Answer:
    return Answer(status, [("content-type", "application/json")], json.dumps({"message": text}).encode())


def serve(api: HttpApi, host: str, port: int) -> tuple[int, Callable[[], None]]:
    """Serve the API on this port (0: any free one), for browsers too. Return the port and what stops it.

    `/sign-in?token=…` keeps the token in a cookie, and what comes with the cookie goes to the API with the token:
    as the proxy in front of a deployment does it.
    """

    class Requests(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            headers = dict(self.headers.items())
            parts = urlsplit(self.path)
            if parts.path == "/sign-in":
                token = dict(parse_qsl(parts.query)).get("token", "")
                cookie = f"{COOKIE}={token}; HttpOnly; SameSite=Strict; Path=/"
                self._send(Answer(303, [("set-cookie", cookie), ("location", "/")], b""))
                return
            cookies = SimpleCookie(headers.get("Cookie", ""))
            if "Authorization" not in headers and COOKIE in cookies:
                headers["Authorization"] = f"Bearer {cookies[COOKIE].value}"
            self._send(api.request(self.command, self.path, headers, body))

        do_GET = do_PUT = do_DELETE = do_HEAD = do_POST  # noqa: N815 - http.server's names

        @override
        def log_message(self, *args: object) -> None:
            pass

        def _send(self, answer: Answer) -> None:
            self.send_response(answer.status)
            for name, value in answer.headers:
                if name.lower() not in {"content-length", "connection"}:
                    self.send_header(name, value)
            self.send_header("Content-Length", str(len(answer.body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(answer.body)

    server = ThreadingHTTPServer((host, port), Requests)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()

    def stop() -> None:
        server.shutdown()
        server.server_close()
        thread.join()

    return server.server_port, stop

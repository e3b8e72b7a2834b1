"""HTTP with a token of the platform: one of its OAuth applications, whose id and secret are in Secrets Manager.

Neither these, nor the token, nor what is asked is logged, and no error names them.
"""

import json
import time
from collections.abc import Callable, Mapping
from datetime import UTC
from email.message import Message
from email.utils import parsedate_to_datetime
from http.client import HTTPException, HTTPMessage
from typing import IO, Any, NamedTuple, override
from urllib.error import HTTPError, URLError
from urllib.parse import urlencode
from urllib.request import HTTPRedirectHandler, Request, build_opener

from certrules import aws

TIMEOUT_SECONDS = 4
"""How long a service may take to connect, and for each piece of its answer."""

_MOST_BYTES = 1_000_000
_RENEWED_SECONDS = 60
"""So long before its end a token is renewed."""


class Answer(NamedTuple):
    """An answer of any status."""

    status: int
    body: Any = None  # JSON; None if it is none
    retry_after: float | None = None  # seconds


class PlatformError(Exception):
    """The platform doesn't answer, or refuses to. `fix` is the way out; `is_passing`: asking again may help."""

    def __init__(self, title: str, fix: str, *, is_passing: bool = False) -> None:
        """Name what happened, without anything that was asked or sent."""
        super().__init__(f"{title}: {fix}")
        self.title, self.fix, self.is_passing = title, fix, is_passing


class NoAnswerError(Exception):
    """No readable answer came. `why` names the kind of fault; `was_sent`: the service may act on the request."""

    def __init__(self, why: str, *, was_sent: bool) -> None:
        """Name the kind of fault, without anything that was sent."""
        super().__init__(why)
        self.why, self.was_sent = why, was_sent


class Parameters(NamedTuple):
    """What an operator knows the parameters of the stack by."""

    url: str
    secret: str


class _NoRedirect(HTTPRedirectHandler):
    """A redirect is an answer: following it could carry the token to another host."""

    @override
    def redirect_request(
        self, req: Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> None:
        """Follow none."""
        del req, fp, code, msg, headers, newurl


class PlatformClient:
    """A service that takes the platform's tokens, and the client that asks for them. `clock` counts seconds."""

    def __init__(
        self,
        url: str,
        token_url: str,
        secret: str,
        parameters: Parameters,
        clock: Callable[[], float] = time.monotonic,
        *,
        timeout: float = TIMEOUT_SECONDS,
    ) -> None:
        """Ask the service at `url`, with tokens of the platform at `token_url`; `secret` is an ARN."""
        self.url, self._token_url = url.rstrip("/"), token_url.rstrip("/")
        self._secret, self._parameters, self._clock = secret, parameters, clock
        self.timeout = timeout
        self._opener = build_opener(_NoRedirect)
        self._token: tuple[str, float] | None = None  # and until when it is used
        self._credentials: Mapping[str, str] | None = None

    def request(self, method: str, path: str, body: object = None) -> Answer:
        """Return the answer to a request, with a body of JSON if there is one; after a 401 once more, with a new token.

        Raises NoAnswerError, and PlatformError where there is no token to send it with.
        """
        answer = self._request(method, path, body)
        if answer.status == 401:  # the token was withdrawn
            self._token = None
            answer = self._request(method, path, body)
        return answer

    def _request(self, method: str, path: str, body: object) -> Answer:
        headers = {"Authorization": f"JWT {self._valid_token()}", "Accept": "application/json"}
        content = None if body is None else json.dumps(body).encode()
        if content is not None:
            headers["Content-Type"] = "application/json"
        url = f"{self.url}{path}"
        return self._send(Request(url, content, headers, method=method))  # noqa: S310 - an operator named it

    def _valid_token(self) -> str:
        if self._token is None or self._clock() >= self._token[1]:
            self._token = self._new_token()
        return self._token[0]

    def _new_token(self) -> tuple[str, float]:
        answer = self._ask_token()
        if answer.status in {400, 401}:  # the secret may have been rotated
            self._credentials = None
            answer = self._ask_token()
        if answer.status in {400, 401, 403}:
            raise PlatformError(
                "the platform refuses this service's client",
                f"have an operator compare {self._parameters.secret} with the platform's OAuth application",
            )
        if answer.status != 200 or not isinstance(answer.body, dict):
            raise self._unexpected(answer.status)
        token, seconds = answer.body.get("access_token"), answer.body.get("expires_in")
        if not isinstance(token, str) or not token.isascii() or not token.isprintable():
            raise self._unexpected(answer.status)
        lasts = seconds if isinstance(seconds, (int, float)) else 0
        return token, self._clock() + max(0, lasts - _RENEWED_SECONDS)

    def _ask_token(self) -> Answer:
        if self._credentials is None:
            self._credentials = self._read_credentials()
        form = {"grant_type": "client_credentials", "token_type": "jwt", **self._credentials}
        request = Request(f"{self._token_url}/oauth2/access_token", urlencode(form).encode())  # noqa: S310 - same
        try:
            answer = self._send(request)
        except NoAnswerError as error:
            raise self._silent(error.why) from None
        if answer.status == 429 or answer.status >= 500:
            raise self._silent(f"it answers {answer.status}")
        return answer

    def _send(self, request: Request) -> Answer:
        try:
            try:
                with self._opener.open(request, timeout=self.timeout) as answer:
                    return _read(answer.status, answer.headers, answer)
            except HTTPError as error:
                with error:
                    return _read(error.code, error.headers, error)
        except URLError as error:  # it couldn't be sent whole
            raise NoAnswerError(type(error.reason).__name__, was_sent=False) from None
        except (HTTPException, OSError) as error:
            raise NoAnswerError(type(error).__name__, was_sent=True) from None

    def _silent(self, why: str) -> PlatformError:
        fix = f"ask again later; if it stays so, have an operator look at {self._parameters.url} ({why})"
        return PlatformError("the platform doesn't answer", fix, is_passing=True)

    def _unexpected(self, status: int) -> PlatformError:
        url = self._parameters.url
        fix = f"have an operator compare {url} with the address of the LMS: it answers {status} in another form"
        return PlatformError("the platform gives no token at its address", fix)

    def _read_credentials(self) -> Mapping[str, str]:
        """Read the client's id and secret. Raises PlatformError, or botocore's errors without the secret's value."""
        value = aws.client("secretsmanager").get_secret_value(SecretId=self._secret).get("SecretString", "")
        try:
            found = json.loads(value)
            return {name: str(found[name]) for name in ("client_id", "client_secret")}
        except (ValueError, KeyError, TypeError):
            fix = f'have an operator write {{"client_id": …, "client_secret": …}} into {self._parameters.secret}'
            raise PlatformError("the credentials of this service's client can't be read", fix) from None


def _seconds(retry_after: str | None) -> float | None:
    """Return the seconds that a header Retry-After names, which may be a date; None if it names none."""
    if retry_after is None:
        return None
    try:
        return float(retry_after) if retry_after.isascii() and retry_after.isdigit() else _until(retry_after)
    except ValueError:
        return None


def _until(date: str) -> float:
    at = parsedate_to_datetime(date)
    return max(0.0, (at.replace(tzinfo=at.tzinfo or UTC) - aws.now()).total_seconds())


def _read(status: int, headers: Message, answer: IO[bytes]) -> Answer:
    try:
        body = json.loads(answer.read(_MOST_BYTES))
    except (ValueError, RecursionError):
        body = None
    return Answer(status, body, _seconds(headers.get("Retry-After")))

"""The platform's accounts API (Open edX, `/api/user/v1/accounts`), asked live for a username, an e-mail or an id.

Answers stay in this process's memory for some minutes and are stored nowhere. The client of the API is one of the
platform's OAuth applications; its id and secret are read from Secrets Manager. Neither these nor what was asked is
logged, and no error names them.
"""

import json
import time
from collections.abc import Callable, Mapping
from http.client import HTTPException, HTTPMessage
from typing import IO, Any, Literal, NamedTuple, override
from urllib.error import HTTPError, URLError
from urllib.parse import urlencode
from urllib.request import HTTPRedirectHandler, Request, build_opener

from certrules import aws
from certrules.formats.learner_names import Name, usable

TIMEOUT_SECONDS = 4
"""How long the platform may take to connect, and for each piece of its answer."""

REMEMBERED_SECONDS = 300
"""For how long an answer counts."""

_MISSING_SECONDS = 30
"""For how long it counts that there is no such account: whoever has just registered is found soon."""

_MOST_REMEMBERED = 1_000
_MOST_BYTES = 1_000_000
_RENEWED_SECONDS = 60
"""So long before its end a token is renewed."""

type Question = Literal["username", "email", "lms_user_id"]


class Account(NamedTuple):
    """An account of the platform."""

    learner_id: int
    name: Name


class PlatformError(Exception):
    """The platform doesn't answer, or refuses to. `fix` is the way out; `is_passing`: asking again may help."""

    def __init__(self, title: str, fix: str, *, is_passing: bool = False) -> None:
        """Name what happened, without anything that was asked or sent."""
        super().__init__(f"{title}: {fix}")
        self.title, self.fix, self.is_passing = title, fix, is_passing


class _NoRedirect(HTTPRedirectHandler):
    """A redirect is an answer: following it could carry the token to another host."""

    @override
    def redirect_request(
        self, req: Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> None:
        """Follow none."""
        del req, fp, code, msg, headers, newurl


class _Answer(NamedTuple):
    status: int
    body: Any  # JSON; None if it is none


class PlatformAccounts:
    """The accounts of one platform. `clock` counts seconds."""

    def __init__(self, url: str, secret: str, clock: Callable[[], float] = time.monotonic) -> None:
        """Ask the platform at this address, as the client whose credentials are in this secret (an ARN)."""
        self._url = url.rstrip("/")
        self._secret = secret
        self._clock = clock
        self._opener = build_opener(_NoRedirect)
        self._token: tuple[str, float] | None = None  # and until when it is used
        self._credentials: Mapping[str, str] | None = None
        self._remembered: dict[tuple[str, str], tuple[list[Account], float]] = {}

    def find(self, by: Question, value: str) -> list[Account]:
        """Return the accounts that have this username, e-mail or id: none or one, as a rule. Raises PlatformError."""
        now = self._clock()
        found, until = self._remembered.get((by, value), ([], 0.0))
        if now < until:
            return found
        found = self._asked(by, value)
        self._remembered.pop((by, value), None)
        while len(self._remembered) >= _MOST_REMEMBERED:
            del self._remembered[next(iter(self._remembered))]
        self._remembered[by, value] = found, now + (REMEMBERED_SECONDS if found else _MISSING_SECONDS)
        return found

    def _asked(self, by: Question, value: str) -> list[Account]:
        path = f"/api/user/v1/accounts?{urlencode([(by, value)])}"
        answer = self._get(path)
        if answer.status == 401:  # the token was withdrawn
            self._token = None
            answer = self._get(path)
        if answer.status == 404:
            return []
        if answer.status in {401, 403}:
            raise PlatformError(
                "the platform refuses to name accounts to this service",
                "have an operator make the user of the OAuth application staff (docs/names.md)",
            )
        if answer.status != 200 or not isinstance(answer.body, list):
            raise _unexpected(answer.status)
        return [account for account in map(_account, answer.body) if account is not None]

    def _get(self, path: str) -> _Answer:
        headers = {"Authorization": f"JWT {self._valid_token()}"}
        return self._send(Request(f"{self._url}{path}", headers=headers))  # noqa: S310 - an operator named it

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
                "have an operator compare PlatformCredentialsSecret with the platform's OAuth application",
            )
        if answer.status != 200 or not isinstance(answer.body, dict):
            raise _unexpected(answer.status)
        token, seconds = answer.body.get("access_token"), answer.body.get("expires_in")
        if not isinstance(token, str) or not token.isascii() or not token.isprintable():
            raise _unexpected(answer.status)
        lasts = seconds if isinstance(seconds, (int, float)) else 0
        return token, self._clock() + max(0, lasts - _RENEWED_SECONDS)

    def _ask_token(self) -> _Answer:
        if self._credentials is None:
            self._credentials = _credentials(self._secret)
        form = {"grant_type": "client_credentials", "token_type": "jwt", **self._credentials}
        return self._send(Request(f"{self._url}/oauth2/access_token", urlencode(form).encode()))  # noqa: S310 - same

    def _send(self, request: Request) -> _Answer:
        try:
            with self._opener.open(request, timeout=TIMEOUT_SECONDS) as answer:
                return _Answer(answer.status, _read(answer))
        except HTTPError as error:
            with error:
                if error.code == 429 or error.code >= 500:
                    raise _silent(f"it answers {error.code}") from None
                return _Answer(error.code, None)
        except (URLError, HTTPException, OSError) as error:
            reason = getattr(error, "reason", error)
            raise _silent(type(reason).__name__) from None


def _read(answer: IO[bytes]) -> Any:
    try:
        return json.loads(answer.read(_MOST_BYTES))
    except (ValueError, RecursionError):
        return None


def _silent(why: str) -> PlatformError:
    fix = f"ask again later, or give the learner's id; if it stays so, have an operator look at PlatformUrl ({why})"
    return PlatformError("the platform doesn't answer", fix, is_passing=True)


def _unexpected(status: int) -> PlatformError:
    fix = f"have an operator compare PlatformUrl with the address of the LMS: it answers {status} in another form"
    return PlatformError("there is no accounts API at the platform's address", fix)


def _credentials(secret: str) -> Mapping[str, str]:
    """Read the client's id and secret. Raises PlatformError, or botocore's errors without the secret's value."""
    value = aws.client("secretsmanager").get_secret_value(SecretId=secret).get("SecretString", "")
    try:
        found = json.loads(value)
        return {name: str(found[name]) for name in ("client_id", "client_secret")}
    except (ValueError, KeyError, TypeError):
        fix = 'have an operator write {"client_id": …, "client_secret": …} into PlatformCredentialsSecret'
        raise PlatformError("the credentials of this service's client can't be read", fix) from None


def _account(body: Any) -> Account | None:
    """Return an account of an answer; None for the user that the platform has in place of deleted ones.

    Raises PlatformError for an account without its id, as it is shown to whoever isn't staff.
    """
    if not isinstance(body, dict) or not isinstance(body.get("id"), int) or isinstance(body["id"], bool):
        raise PlatformError(
            "the platform names no ids of accounts to this service",
            "have an operator make the user of the OAuth application staff (docs/names.md)",
        )
    name = usable(Name(body.get("username"), body.get("name")))  # type: ignore[arg-type] # it is any JSON yet
    return Account(body["id"], name or Name("", "")) if body["id"] > 0 else None

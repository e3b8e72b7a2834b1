"""Tokens of the stand-in: the platform's endpoint that gives them, and how the Credentials service reads them."""

import base64
import hashlib
import hmac
import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple

ISSUER = "https://lms.example/oauth2"
AUDIENCE = "lms-key"
_KEY = b"of the stand-in"
_LEEWAY_SECONDS = 1
_SCOPES = ("read", "write", "email", "profile", "user_id")
_NEW_USER_CLIENT_SCOPES = "read write email profile"


class Account(NamedTuple):
    """Who sends a request, as the token states it."""

    username: str
    is_administrator: bool
    is_superuser: bool


class RefusedError(Exception):
    """A token that isn't accepted: 401 with this detail; None: the service breaks (500)."""

    def __init__(self, detail: str | None) -> None:
        super().__init__(detail)
        self.detail = detail


@dataclass
class Platform:
    """The platform's OAuth endpoint, with one client (grant client_credentials)."""

    client_id: str = "records-worker"
    client_secret: str = "swordfish-of-the-records-worker"
    username: str = "records-worker"
    is_administrator: bool = True
    is_superuser: bool = False
    lasts: int = 3600  # seconds
    token_type: str = "JWT"
    generation: int = 0  # raised: all tokens given before are withdrawn

    def answer(self, form: dict[str, str], now: datetime) -> tuple[int, dict[str, Any], dict[str, str]]:
        """Return status, body and headers of a request for a token."""
        headers = {"cache-control": "no-store", "pragma": "no-cache"}
        if form.get("grant_type") == "password":
            missing = "Request is missing username parameter."
            return 400, {"error": "invalid_request", "error_description": missing}, headers
        if form.get("grant_type") != "client_credentials":
            return 400, {"error": "unsupported_grant_type"}, headers
        if (form.get("client_id"), form.get("client_secret")) != (self.client_id, self.client_secret):
            return 401, {"error": "invalid_client"}, {**headers, "www-authenticate": 'Bearer error="invalid_client"'}
        scope = form.get("scope", _NEW_USER_CLIENT_SCOPES)
        if not set(scope.split()) <= set(_SCOPES):
            return 400, {"error": "invalid_scope"}, headers
        account = Account(self.username, self.is_administrator, self.is_superuser)
        token = self.token(account, now, profile="profile" in scope.split())
        body = {"access_token": token, "expires_in": self.lasts, "token_type": self.token_type, "scope": scope}
        return 200, body, headers

    def token(self, account: Account, now: datetime, *, profile: bool = True, **claims: Any) -> str:
        """Return a token of an account. `claims` replace its own; None takes one away."""
        own: dict[str, Any] = {
            "aud": AUDIENCE,
            "exp": int((now + timedelta(seconds=self.lasts)).timestamp()),
            "iat": int(now.timestamp()),
            "iss": ISSUER,
            "preferred_username": account.username,
            "scopes": _NEW_USER_CLIENT_SCOPES.split(),
            "version": "1.2.0",
            "grant_type": "client-credentials",
            "generation": self.generation,  # not of the platform: it lets a test withdraw tokens
        }
        if profile:
            own |= {"administrator": account.is_administrator, "superuser": account.is_superuser}
        parts = [{"alg": "HS256", "typ": "JWT"}, own | claims]
        signed = ".".join(_encoded(json.dumps(part).encode()) for part in parts)
        return f"{signed}.{_signature(signed)}"

    def read(self, header: str | None, now: datetime) -> Account:
        """Return whose token an Authorization header carries. Raises RefusedError."""
        scheme, _, token = (header or "").partition(" ")
        if scheme != "JWT":
            raise RefusedError("Authentication credentials were not provided.")
        signed, _, signature = token.rpartition(".")
        if signed.count(".") != 1 or signature != _signature(signed):
            raise RefusedError("Error decoding token.")
        claims = json.loads(_decoded(signed.partition(".")[2]))
        if claims["exp"] + _LEEWAY_SECONDS <= now.timestamp():
            raise RefusedError("Token has expired.")
        if claims["aud"] != AUDIENCE or claims["iss"] != ISSUER or claims["generation"] != self.generation:
            raise RefusedError("Invalid token.")
        if claims["version"] is None:
            raise RefusedError(None)
        if not claims["version"].startswith("1."):
            raise RefusedError("Invalid token.")
        return Account(
            claims["preferred_username"], claims.get("administrator") is True, claims.get("superuser", False)
        )


def _signature(signed: str) -> str:
    return _encoded(hmac.digest(_KEY, signed.encode(), hashlib.sha256))


def _encoded(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def _decoded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))

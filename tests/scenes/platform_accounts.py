"""A stand-in of the platform: its OAuth endpoint and its accounts API, as a real HTTP server.

It is held to what is known of them: the accounts API as read in its source (tests/names/accounts/exchanges.json), the
OAuth endpoint as it was recorded (the data folder). It is no LMS.
"""

import json
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, override
from urllib.parse import parse_qs, urlsplit

CLIENT = {"client_id": "certificates-worker", "client_secret": "swordfish-of-the-client"}
ADA = {"id": 42, "username": "ada", "name": "Ada Lovelace", "email": "ada.lovelace@example.org", "is_active": True}
DENIED = {"detail": "You do not have permission to perform this action."}


@dataclass
class Platform:
    """The platform, and what it does."""

    accounts: list[dict[str, Any]] = field(default_factory=lambda: [dict(ADA)])
    secret: str = CLIENT["client_secret"]
    is_staff: bool = True
    token: str = "a.valid.token"
    lasts: int = 3600  # seconds
    answers: list[tuple[int, Any, dict[str, str]]] = field(default_factory=list)  # in place of its own, each once
    pause: float = 0  # seconds before each answer
    requests: Counter[str] = field(default_factory=Counter)
    url: str = ""

    def answer(self, method: str, path: str, headers: Any, body: str) -> tuple[int, Any, dict[str, str]]:
        """Return status, body (JSON; None: none) and headers."""
        parts = urlsplit(path)
        self.requests[f"{method} {parts.path}"] += 1
        time.sleep(self.pause)
        if self.answers:
            return self.answers.pop(0)
        if (method, parts.path) == ("POST", "/oauth2/access_token"):
            return self._token(parse_qs(body))
        if (method, parts.path) != ("GET", "/api/user/v1/accounts"):
            return 404, None, {}
        if "Authorization" not in headers:
            return 401, {"detail": "Authentication credentials were not provided."}, {}
        if headers["Authorization"] != f"JWT {self.token}":
            return 401, {"detail": "Invalid token."}, {}
        return self._accounts({name: values[0] for name, values in parse_qs(parts.query).items()})

    def _token(self, form: dict[str, list[str]]) -> tuple[int, Any, dict[str, str]]:
        if form["grant_type"] != ["client_credentials"] or form.get("token_type") != ["jwt"]:
            return 400, {"error": "unsupported_grant_type"}, {}
        if form["client_id"] != [CLIENT["client_id"]] or form["client_secret"] != [self.secret]:
            return 401, {"error": "invalid_client"}, {"www-authenticate": 'Bearer error="invalid_client"'}
        body = {"access_token": self.token, "expires_in": self.lasts, "token_type": "JWT", "scope": "read"}
        return 200, body, {}

    def _accounts(self, query: dict[str, str]) -> tuple[int, Any, dict[str, str]]:
        if "username" in query:
            names = {name.casefold() for name in query["username"].strip(",").split(",")}  # as MySQL compares them
            wanted = [item for item in self.accounts if item["username"].casefold() in names]
        elif not self.is_staff:
            return 403, DENIED, {}
        elif "email" in query:
            if query["email"].startswith("retired"):
                return 404, {"error_msg": "…", "can_cancel_retirement": False, "retirement_id": None}, {}
            wanted = [item for item in self.accounts if item["email"] == query["email"]]
        elif not query["lms_user_id"].isdigit():
            return 400, None, {}
        else:
            wanted = [item for item in self.accounts if item["id"] == int(query["lms_user_id"])]
        if not wanted:
            return 404, None, {}
        if not self.is_staff:
            wanted = [{"username": item["username"], "account_privacy": "private"} for item in wanted]
        return 200, wanted, {}


@contextmanager
def serving() -> Iterator[Platform]:
    """Serve a platform on this machine for a while."""
    platform = Platform()

    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            sent = self.rfile.read(length).decode()
            status, body, headers = platform.answer(self.command, self.path, self.headers, sent)
            content = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
            try:
                self.send_response(status)
                for name, value in {"Content-Type": "application/json", **headers}.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)
            except BrokenPipeError:
                self.close_connection = True  # nobody waits any longer

        do_GET = do_POST = _answer  # noqa: N815 - so http.server names them

        @override
        def log_message(self, *_: object) -> None:
            """Log nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    platform.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield platform
    finally:
        server.shutdown()
        server.server_close()
        thread.join()

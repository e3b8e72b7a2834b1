"""A stand-in of the Credentials service, and of the platform's OAuth endpoint: a real HTTP server.

It is held to recorded exchanges with the real service (tests/records/test_stand_in.py). It is no Credentials service:
it has what these exchanges show, and nothing else.
"""

import json
import math
import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, unquote

from werkzeug import Request, Response

from localcloud.serving import response, serve, target_of
from tests.records import other_views
from tests.records.answers import DENIED, SERVER_ERROR, Answer, BrokenError, InvalidError
from tests.records.credentials_view import collection, is_superuser, may_write, one
from tests.records.faults import WRITES, Fault, Misbehaviour
from tests.records.state import State
from tests.records.tokens import Account, Platform, RefusedError

CREDENTIALS, GRADES, AVAILABILITY = "/api/v2/credentials/", "/api/v2/grades/", "/api/v2/course_certificates/"
STATUS, STATUSES = "/api/credentials/v1/learner_cert_status/", "/api/credentials/v1/bulk_learner_cert_status/"
USERNAMES, RECORDS = "/api/v2/replace_usernames/", "/records/api/v1/program_records/"
TOKEN, HEALTH = "/oauth2/access_token", "/health/"

PER_MINUTE = {CREDENTIALS: 15, GRADES: 90}
MINUTE = timedelta(minutes=1)
HEALTHY = {"overall_status": "OK", "detailed_status": {"database_status": "OK"}}

ALLOW = {  # by the beginning of the path; the longest one that fits counts
    CREDENTIALS: ("GET, POST, HEAD, OPTIONS", "GET, PUT, PATCH, DELETE, HEAD, OPTIONS"),
    AVAILABILITY: ("POST, OPTIONS", "GET, PUT, PATCH, HEAD, OPTIONS"),
    RECORDS: ("GET, HEAD, OPTIONS", "GET, HEAD, OPTIONS"),
    "/api/": ("POST, OPTIONS", "POST, OPTIONS"),
}


@dataclass
class Service:
    """The service, and the platform that gives tokens for it."""

    state: State = field(default_factory=State)
    platform: Platform = field(default_factory=Platform)
    misbehaviour: Misbehaviour = field(default_factory=Misbehaviour)
    received: list[tuple[str, str, bytes]] = field(default_factory=list)  # method, path with query, content

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Any:
        """Answer as a WSGI application."""
        request = Request(environ)
        content = request.get_data()
        path = f"{request.method} {request.path}"
        self.misbehaviour.count(path)
        self.received.append((request.method, target_of(request), content))
        answer = self._down() or self._answered(request, content, self.misbehaviour.fault(path))
        return answer(environ, start_response)

    def _down(self) -> Response | None:
        until = self.misbehaviour.down_until
        if until is None or self.state.clock() >= until:
            return None
        return _response(Answer(503, "<html>Service Unavailable</html>"))

    def _answered(self, request: Request, content: bytes, fault: Fault | None) -> Response:
        answer = self._faulty(fault)
        if fault is None or fault in WRITES:
            subject = _subject(content)
            with self.misbehaviour.flight(subject):
                if self.misbehaviour.deadlocks:
                    time.sleep(0.005)  # a transaction's time, in which others come
                if self.misbehaviour.is_deadlocked(subject):
                    return _response(Answer(500, SERVER_ERROR))
                own = self.answer(request.method, request.path, request.args, dict(request.headers), content)
            answer = answer or _response(own)
        assert answer is not None
        if fault in {Fault.SLOW, Fault.TIMEOUT_AFTER_WRITING}:
            time.sleep(self.misbehaviour.pause)
        if fault is Fault.HALF:
            return _half(answer, request.environ["werkzeug.socket"])
        if fault in {Fault.SILENT, Fault.SILENT_AFTER_WRITING, Fault.TIMEOUT_AFTER_WRITING}:
            request.environ["werkzeug.socket"].shutdown(socket.SHUT_RDWR)
        return answer

    def _faulty(self, fault: Fault | None) -> Response | None:
        match fault:
            case Fault.THROTTLED:
                after = self.misbehaviour.retry_after
                return _response(_throttled(after))
            case Fault.ERROR | Fault.ERROR_AFTER_WRITING:
                return _response(Answer(500, SERVER_ERROR))
            case Fault.PAGE:
                return _response(Answer(200, "<html>Sign in</html>"))
            case Fault.GATEWAY:
                return _response(Answer(502, "<html>Bad Gateway</html>"))
            case Fault.SILENT:
                return _response(Answer(200, None))
            case _:
                return None

    def answer(
        self, method: str, path: str, query: Mapping[str, str], headers: Mapping[str, str], content: bytes
    ) -> Answer:
        """Return the service's own answer to a request."""
        path, now = unquote(path), self.state.clock()
        with self.state.lock:
            try:
                if path == HEALTH:
                    return Answer(200, HEALTHY)
                if path == TOKEN:
                    return Answer(*self.platform.answer(_form(content), now))
                account = self.platform.read(headers.get("Authorization"), now)
                body = _body(content, headers.get("Content-Type", "")) if content else None
                found = self._refusal(account, path, now) or self._view(account, method, path, query, body)
            except RefusedError as refused:
                if refused.detail is None:
                    return Answer(500, SERVER_ERROR)
                found = Answer(401, {"detail": refused.detail}, {"www-authenticate": 'JWT realm="api"'})
            except InvalidError as invalid:
                found = Answer(400, invalid.body)
            except BrokenError:
                return Answer(500, SERVER_ERROR)
        return found._replace(headers={"allow": _allow(path), **found.headers})

    def _view(self, account: Account, method: str, path: str, query: Mapping[str, str], body: Any) -> Answer:
        state = self.state
        last = path.rstrip("/").rpartition("/")[2]
        if path == CREDENTIALS:
            return collection(state, account, method, query, body)
        if path.startswith(CREDENTIALS):
            return one(state, account, method, last, body)
        if path == AVAILABILITY:
            return other_views.availabilities(state, method, body)
        if path.startswith(AVAILABILITY):
            return other_views.availability(state, method, path.removeprefix(AVAILABILITY).rstrip("/"), body)
        if path == GRADES:
            return other_views.grades(state, method, body)
        if path == STATUS:
            return other_views.certificate_status(state, body)
        if path == STATUSES:
            return Answer(200, [other_views.certificate_status(state, asked).body for asked in body])
        if path == RECORDS:
            return other_views.records(state, query)
        if path.startswith(RECORDS):
            return other_views.record(state, last, query)
        return other_views.usernames(state, body)

    def _refusal(self, account: Account, path: str, now: Any) -> Answer | None:
        """Return why the account may not ask this at all; who may read a credential depends on which one."""
        if path == USERNAMES:
            return None if account.username == self.state.replacement_worker else Answer(403, DENIED)
        if not path.startswith(CREDENTIALS) and not may_write(self.state, account):
            return Answer(403, DENIED)
        is_staff = account.is_administrator or is_superuser(self.state, account)
        return self._throttled(account.username, path, now) if path in PER_MINUTE and not is_staff else None

    def _throttled(self, username: str, path: str, now: Any) -> Answer | None:
        before = [at for at in self.state.requests.get((username, path), ()) if at > now - MINUTE]
        self.state.requests[username, path] = before
        if len(before) < PER_MINUTE[path]:
            before.append(now)
            return None
        return _throttled(str(math.ceil((before[0] + MINUTE - now).total_seconds())))


def _throttled(after: str | None) -> Answer:
    detail = f"Request was throttled. Expected available in {after} seconds."
    return Answer(429, {"detail": detail}, {} if after is None else {"retry-after": after})


def _allow(path: str) -> str:
    start = max((start for start in ALLOW if path.startswith(start)), key=len)
    return ALLOW[start][path != start]


def _form(content: bytes) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(content.decode(), keep_blank_values=True).items()}


def _body(content: bytes, content_type: str) -> Any:
    if content_type == "application/x-www-form-urlencoded":
        return _form(content)
    try:
        return json.loads(content)
    except ValueError as error:
        raise InvalidError({"detail": f"JSON parse error - {error}"}) from None


def _subject(content: bytes) -> object:
    """Return which credential a request is about."""
    try:
        body = json.loads(content)
        credential = body["credential"]
        return body["username"].lower(), credential.get("course_run_key") or credential.get("program_uuid")
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


def _response(answer: Answer) -> Response:
    content_type, content = answer.content()
    named = {} if content_type is None else {"content-type": content_type}
    return response(answer.status, {**named, **answer.headers}.items(), content)


def _half(answer: Response, connection: socket.socket) -> Response:
    content = answer.get_data()

    def pieces() -> Iterator[bytes]:
        yield content[: len(content) // 2]
        connection.shutdown(socket.SHUT_RDWR)

    answer.response = pieces()
    answer.headers["Content-Length"] = str(len(content))
    return answer


@dataclass
class Host:
    """An HTTP server, and the service that answers there now."""

    url: str = ""
    service: Service = field(default_factory=Service)

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Any:
        """Answer as a WSGI application."""
        return self.service(environ, start_response)


@contextmanager
def hosting() -> Iterator[Host]:
    """Serve on this machine for a while."""
    host = Host()
    port, stop = serve(host, "127.0.0.1", 0)
    host.url = f"http://127.0.0.1:{port}"
    try:
        yield host
    finally:
        stop()

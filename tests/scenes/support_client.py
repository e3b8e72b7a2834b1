"""A client of the support API, and its scopes."""

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from html import unescape
from itertools import count
from typing import Any, NamedTuple
from urllib.parse import urlencode

from jsonschema import Draft202012Validator

from localcloud.http_api import HttpResponse
from tests.scenes.scene import TEMPLATE, Learner, Scene

EVERYTHING = ("view", "act", "revoke", "approve")


_keys = count(1)


class Reported(NamedTuple):
    """What the API answers."""

    status: int
    body: Any  # JSON read; of a page, its text
    headers: dict[str, str]


@dataclass(frozen=True, slots=True)
class Client:
    """Somebody of support, with what they may do."""

    scene: Scene
    name: str = "ada"
    scopes: Iterable[str] = EVERYTHING

    def ask(self, method: str, path: str, body: bytes = b"", **headers: str) -> HttpResponse:
        """Send a request as it is."""
        token = self.scene.cloud.api.token(self.name, [f"certificates/{scope}" for scope in self.scopes])
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.scene.cloud.api.request(method, path, {"Authorization": f"Bearer {token}", **named}, body)

    def get(self, path: str, **query: object) -> Reported:
        """Look something up."""
        return documented("get", path, reported(self.ask("GET", f"{path}?{urlencode(query)}")))

    def post(self, path: str, key: str = "", **body: Any) -> Reported:
        """Have something done."""
        headers = {"Content_Type": "application/json", "Idempotency_Key": key or f"key-{next(_keys):06}"}
        return documented("post", path, reported(self.ask("POST", path, json.dumps(body).encode(), **headers)))

    def form(self, path: str, site: str = "same-origin", **fields: object) -> Reported:
        """Send a form of the console."""
        headers = {"Content_Type": "application/x-www-form-urlencoded", "Sec_Fetch_Site": site}
        return reported(self.ask("POST", path, urlencode(fields, doseq=True).encode(), **headers))

    def confirm(self, path: str, **fields: object) -> Reported:
        """Send a form of the console, and confirm what its page asks."""
        asked = self.form(path, "same-origin", **fields)
        return self.form(path, "same-origin", **hidden_fields(asked.body)) if asked.status in {200, 409} else asked

    def act(self, act: str, learner: Learner, key: str = "", **more: Any) -> Reported:
        """Act on a certificate, and let it take effect."""
        answer = self.post(
            "/v1/case/act", key, act=act, **{"reason": "ticket 12", "version": None, **about(learner), **more}
        )
        self.scene.cloud.deliver()
        return answer

    def case(self, learner: Learner, **query: object) -> Any:
        """Look at a case."""
        answer = self.get("/v1/case", **about(learner), **query)
        assert answer.status == 200, answer.body
        return answer.body


def hidden_fields(page: str) -> dict[str, str]:
    """Return the hidden fields of the last form of a page."""
    form = page.rpartition("<form")[2]
    pairs = re.findall(r'<input type="hidden" name="([^"]*)" value="([^"]*)">', form)
    return {name: unescape(value) for name, value in pairs}


def about(learner: Learner) -> dict[str, Any]:
    """Return whom a request is about."""
    return {"learner_id": learner.learner_id, "course_run": learner.course_run}


def reported(answer: HttpResponse) -> Reported:
    """Read an answer."""
    headers = {name.lower(): value for name, value in answer.headers}
    is_json = "json" in headers.get("content-type", "")
    return Reported(answer.status, json.loads(answer.body) if is_json else answer.body.decode(), headers)


@cache
def document() -> Any:
    """Return the published OpenAPI document."""
    return json.loads((TEMPLATE.parent / "docs" / "openapi.json").read_text())


def documented(method: str, path: str, answer: Reported) -> Reported:
    """Return an answer of the API that is as the published document has it."""
    calls = document()["paths"].items()
    call = next((of[method] for known, of in calls if method in of and _fits(known, path)), None)
    if call is not None:
        kinds = call["responses"][str(answer.status)]["content"]
        schema = kinds[answer.headers["content-type"]]["schema"]
        validator = Draft202012Validator({**schema, "components": document()["components"]})
        assert list(validator.iter_errors(answer.body)) == []
    return answer


def _fits(known: str, path: str) -> bool:
    pattern = "/".join("[^/]+" if part.startswith("{") else re.escape(part) for part in known.split("/"))
    return re.fullmatch(pattern, path) is not None

"""Where the commands of support meet its API, of the local cloud or of a deployed stack; and their exit codes."""

import json
from collections.abc import Iterator, Mapping
from datetime import datetime
from http.client import HTTPException
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import urlencode
from urllib.request import Request, urlopen
from uuid import uuid4

import click

from certs import stacks

NOT_ALLOWED, NOT_FOUND, CONTRADICTS, TRY_AGAIN = 3, 4, 5, 6
"""Exit codes beside 1 (refused) and 2 (misused); docs/cli.md has what to do."""

_CODES = {401: NOT_ALLOWED, 403: NOT_ALLOWED, 404: NOT_FOUND, 409: CONTRADICTS, 503: TRY_AGAIN}


class Api:
    """The support API of a stack."""

    def __init__(self, stack: str | None, colleague: bool = False) -> None:
        """Find it. Raises ClickException."""
        try:
            self._stack = stacks.find(stack)
        except stacks.NoStackError as error:
            raise click.ClickException(str(error)) from error
        self._token = self._stack.colleague if colleague else self._stack.token

    def get(self, path: str, **query: object) -> Any:
        """Return the answer of the API. Ends the command if it refuses."""
        request = {name: _text(value) for name, value in query.items() if value is not None}
        return self._ask(Request(f"{self._stack.api}{path}?{urlencode(request)}"))

    def post(self, path: str, body: Mapping[str, Any], key: str | None = None) -> Any:
        """Have the API do something, once for a key. Ends the command if it refuses."""
        headers = {"Content-Type": "application/json", "Idempotency-Key": key or str(uuid4())}
        data = json.dumps({name: _text(value) for name, value in body.items()}).encode()
        return self._ask(Request(f"{self._stack.api}{path}", data, headers))

    def whole(self, path: str, name: str, **query: object) -> Any:
        """Return an answer with all pages of what stands under a name. Ends the command if the API refuses."""
        first, *others = self.pages(path, **query)
        return {**first, name: [row for page in (first, *others) for row in page[name]], "next": None}

    def pages(self, path: str, **query: object) -> Iterator[Any]:
        """Return the pages of an answer, one after another. Ends the command if the API refuses."""
        page = self.get(path, **query)
        yield page
        while page["next"] is not None:
            page = self.get(path, **query, cursor=page["next"])
            yield page

    def _ask(self, request: Request) -> Any:
        request.add_header("Authorization", f"Bearer {self._token}")
        try:
            with urlopen(request, timeout=30) as answer:
                return json.load(answer)
        except HTTPError as error:
            fail(_CODES.get(error.code, 1), _answered(error))
        except (URLError, HTTPException, OSError) as error:
            if self._stack.is_deployed:
                fail(TRY_AGAIN, f"the stack's API, {self._stack.api}, doesn't answer: {error}")
            there = f"the local cloud that was up here, at {self._stack.api}, doesn't answer: start it again"
            fail(TRY_AGAIN, f"{there} (`certs run --keep`, `certs local`)")


def _text(value: object) -> Any:
    return value.isoformat() if isinstance(value, datetime) else value


def _answered(error: HTTPError) -> str:
    try:
        problem = json.load(error)
    except ValueError:
        problem = {}
    if error.code == 401:
        return "the API doesn't know who you are: put a valid token into CERTS_TOKEN"
    title = problem.get("title") or problem.get("message") or f"HTTP {error.code}"
    field = f" ({problem['field']})" if problem.get("field") else ""
    return f"{title}{field}" + (f": {problem['fix']}" if problem.get("fix") else "")


def fail(code: int, message: str) -> Any:
    """End the command with an exit code and a message."""
    error = click.ClickException(message)
    error.exit_code = code
    raise error

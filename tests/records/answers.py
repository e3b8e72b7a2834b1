"""Answers of the stand-in, and the errors that its views raise."""

import json
from typing import Any, NamedTuple

SERVER_ERROR = """<html>
  <head>
    <title>Internal Server Error</title>
  </head>
  <body>
    <h1><p>Internal Server Error</p></h1>
    
  </body>
</html>
"""  # noqa: W293 - as gunicorn writes it

DENIED = {"detail": "You do not have permission to perform this action."}
REQUIRED, NO_NULL, NO_BLANK = "This field is required.", "This field may not be null.", "This field may not be blank."


class Answer(NamedTuple):
    """Status, body (JSON; None: none; text: a page) and headers."""

    status: int
    body: Any
    headers: dict[str, str] = {}  # noqa: RUF012 - nobody changes it

    def content(self) -> tuple[str | None, bytes]:
        """Return the content type and the bytes."""
        if self.body is None:
            return None, b""
        if isinstance(self.body, str):
            return "text/html", self.body.encode()
        return "application/json", json.dumps(self.body).encode()


class BrokenError(Exception):
    """The service breaks: 500 with a page, and nothing is written."""


class InvalidError(Exception):
    """400 with this body."""

    def __init__(self, body: Any) -> None:
        super().__init__(body)
        self.body = body


def no_longer(text: Any, length: int) -> list[str]:
    """Return what a field for text of so many characters objects to."""
    if text is None:
        return [NO_NULL]
    if text == "":
        return [NO_BLANK]
    return [f"Ensure this field has no more than {length} characters."] if len(text) > length else []


def not_a_choice(value: Any) -> str:
    """Return what a field of choices objects to."""
    return f'"{value}" is not a valid choice.'


def not_allowed(method: str) -> Answer:
    """Return the answer to a method that a view doesn't have."""
    return Answer(405, {"detail": f'Method "{method}" not allowed.'})

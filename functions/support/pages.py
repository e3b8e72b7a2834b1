"""What the pages of the console share: how they are rendered, their links, queries and forms.

A form's POST is accepted only from this site: browsers send its origin, and no script can change that.
"""

import re
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from http import HTTPStatus
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import parse_qs, urlencode

from aws_lambda_powertools.event_handler import Response
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from pydantic import ValidationError

from application import HEADERS, PROBLEM_PAGE, actor, app, named_actor, scopes
from audit_calls import label_of
from certrules.core.wording import status_text
from certrules.core.wording import when as when_text
from certrules.formats.words import count_words, counted
from certrules.formats.written_instants import read_instant
from certrules.requests import RefusedActError
from certrules.support import records
from form_words import LABELS, words_for
from refused_forms import refused_form
from zones import beside, remember_zone, with_local_times, zone_of_reader

_NUMBER = re.compile("[0-9]{1,19}")
_OFFSET = re.compile(r"(Z|[+-]\d\d:?\d\d)$")
FOLDER = Path(__file__).parent / "templates"
pages = Environment(
    loader=FileSystemLoader(FOLDER), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
)


def when(instant: datetime | str | None) -> str:
    """Write an instant for people, in UTC and at the reader's time; "" for none."""
    if instant is None:
        return ""
    at = datetime.fromisoformat(instant) if isinstance(instant, str) else instant
    return when_text(at) + beside(at)


def link(path: str, **query: object) -> str:
    """Return the address of a page."""
    return f"{path}?{urlencode({name: value for name, value in query.items() if value is not None})}"


def words(code: str, kind: str) -> str:
    """Write a code of a kind; a "transition" is from one status to another."""
    return count_words(kind, code)


def sentence(text: str) -> str:
    """Write a refusal's title or fix as a sentence of its own."""
    return f"{text[:1].upper()}{text[1:]}{'' if text.endswith(('.', '?', '!')) else '.'}" if text else ""


class Link(NamedTuple):
    """A link of the navigation."""

    path: str
    label: str
    pages: tuple[str, ...] = ()  # the paths of the pages below it


NAVIGATION = (
    Link(
        "/", "Find",
        (
            "/find", "/learner", "/program/preview", "/program/act", "/case", "/what-if", "/preview", "/act",
            "/send-again", "/course-run", "/course-run/learners", "/course-run/act",
        ),
    ),
    Link("/revocations", "Revocations", ("/revocations/ask", "/revocations/decide")),
    Link("/lists", "Many at once", ("/lists/preview", "/lists/act")),
    Link(
        "/regenerations", "Bulk runs",
        (
            "/regeneration", "/regeneration/issued", "/regeneration/plan",
            "/regenerations/start", "/regenerations/decide", "/regenerations/resume",
        ),
    ),
    Link("/records", "Records", ("/records/retry",)),
    Link("/transitions", "Transitions", ("/transitions/chosen", "/trends")),
    Link("/consumers", "Arrived?", ("/messages",)),
    Link("/audit", "Audit log", ("/result",)),
)  # fmt: skip
"""The places of the console, as every page shows them; records only where they are on."""

pages.filters["when"] = when
pages.filters["status"] = status_text
pages.filters["words"] = words
pages.filters["counted"] = counted
pages.filters["sentence"] = sentence
pages.filters["local"] = with_local_times
pages.globals["zone"] = zone_of_reader
pages.globals["link"] = link
pages.globals["navigation"] = NAVIGATION
pages.globals["label_of"] = label_of
pages.globals["records_on"] = records.is_on()


def page(template: str, status: int = HTTPStatus.OK, **content: Any) -> Response[str]:
    """Return a page."""
    html = pages.get_template(template).render(person=actor(), scopes=scopes(), here=app.current_event.path, **content)
    return remember_zone(Response(status, "text/html; charset=utf-8", html))


def problem_page(status: int, title: str, fix: str, field: str) -> Response[str]:
    """Return the page of a problem, without the navigation for an unknown person."""
    person = named_actor()
    may = scopes() if person else set()
    named = {"person": person, "scopes": may, "here": app.current_event.path}
    fields: dict[str, str] = {}
    if app.current_event.http_method == "POST" and app.current_event.headers.get("sec-fetch-site") == "same-origin":
        with suppress(UnicodeError):  # no form: that is the problem
            fields = _sent_fields()
    again = fields if status == HTTPStatus.SERVICE_UNAVAILABLE else {}
    back = _page_of(fields)
    shown = {"title": title, "fix": fix, "label": LABELS.get(field, ""), "back": back, "again": again}
    correct = refused_form(app.current_event.path, fields, status)
    html = pages.get_template("problem.html").render(**named, **shown, correct=correct)
    return Response(status, "text/html; charset=utf-8", html, headers=dict(HEADERS))


def _page_of(fields: Mapping[str, str]) -> str | None:
    """Return the address of the page that a form was on; None if it isn't known."""
    learner_id, course_run = fields.get("learner_id"), fields.get("course_run")
    folder = app.current_event.path.split("/")[1]
    if fields and folder == "lists":
        return link("/lists", act=fields.get("act"), course_run=course_run)
    if learner_id and course_run:
        return link("/case", learner_id=learner_id, course_run=course_run, act=fields.get("act"))
    if course_run:
        return link("/course-run", course_run=course_run)
    if learner_id:
        return link("/learner", learner_id=learner_id)
    return f"/{folder}" if fields and folder in {"revocations", "regenerations", "transitions"} else None


PROBLEM_PAGE.append(problem_page)


def see(path: str, **query: object) -> Response[str]:
    """Send the browser on to another page."""
    return Response(HTTPStatus.SEE_OTHER, "text/plain", "", headers={"Location": link(path, **query)})


def query(name: str, default: str = "") -> str:
    """Return a value of the page's query."""
    return (app.current_event.query_string_parameters or {}).get(name, default).strip()


def form() -> dict[str, str]:
    """Return the fields of a form. Raises RefusedActError for a form of another site."""
    origin = app.current_event.headers.get("sec-fetch-site", "")
    if origin != "same-origin":
        raise RefusedActError(403, "this form was not sent from the console", "open the page again and send its form")
    return _sent_fields()


def values_in_form(name: str) -> list[str]:
    """Return all values of a field that a form may have several of; it was read by `form` first."""
    return [value.strip() for value in _sent_values().get(name, [])]


def _sent_values() -> dict[str, list[str]]:
    return parse_qs(app.current_event.decoded_body or "", keep_blank_values=True)


def _sent_fields() -> dict[str, str]:
    values = _sent_values()
    return {name: found[-1].strip() for name, found in values.items()}


def number(text: str, field: str = "learner_id") -> int:
    """Read a learner's id. Raises RefusedActError."""
    if not _NUMBER.fullmatch(text) or not 0 < int(text) < 2**63:
        raise RefusedActError(422, f"{text[:40]!r} is no learner id", "it is the platform's user id, a number", field)
    return int(text)


def instant(text: str, field: str) -> datetime | None:
    """Read an instant; one without an offset is in UTC. Raises RefusedActError."""
    if not text:
        return None
    offset = "" if _OFFSET.search(text) else "+00:00"
    try:
        return read_instant(text + offset)
    except ValueError as error:
        raise RefusedActError(422, f"{text[:40]!r} is no time", str(error), field) from None


def key_in(fields: Mapping[str, str]) -> str:
    """Return the key by which a form counts once. Raises RefusedActError."""
    key = fields.get("key", "")
    if not 8 <= len(key) <= 255:
        raise RefusedActError(422, "the form has no key", "open the page again and send its form", "key")
    return key


def unread(error: ValidationError) -> RefusedActError:
    """Return the refusal of a form, naming the first field."""
    first = error.errors()[0]
    return RefusedActError(422, *words_for(first), str(first["loc"][0]))


@app.get("/style.css", include_in_schema=False)
def style() -> Response[str]:
    """Return how the pages look."""
    return Response(HTTPStatus.OK, "text/css; charset=utf-8", (FOLDER / "style.css").read_text())

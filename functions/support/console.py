"""The console: pages for support's people, rendered here, that work without JavaScript.

A form's POST is accepted only from this site: browsers send its origin, and no script can change that.
"""

import re
from collections.abc import Mapping
from datetime import datetime
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode
from uuid import uuid4

from aws_lambda_powertools.event_handler import Response
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from pydantic import ValidationError

from application import (
    ABOUT,
    BUS,
    CERTIFICATE_URL,
    CONSUMER_DEAD_LETTERS,
    HEADERS,
    POLICIES,
    PROBLEM_PAGE,
    acted,
    actor,
    app,
    demand,
    discarded,
    found_learners,
    key_of,
    named_actor,
    owners_of,
    pair_of,
    previewed,
    read_cursor,
    scopes,
    switched,
    write_cursor,
)
from certrules import aws
from certrules.core.explain import what_if
from certrules.core.fact_types import Fact
from certrules.core.terms import PERSON
from certrules.core.wording import status_text
from certrules.core.wording import when as when_text
from certrules.formats.written_instants import read_instant
from certrules.requests import RefusedActError
from certrules.support import acts, cases, checklist, learners, records, revocations
from certrules.support.acts import ACTS
from models import ActRequest, BulkDiscard, BulkRevocation, Switch

_NUMBER = re.compile("[0-9]{1,19}")
_OFFSET = re.compile(r"(Z|[+-]\d\d:?\d\d)$")
FOLDER = Path(__file__).parent / "templates"
pages = Environment(
    loader=FileSystemLoader(FOLDER), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
)


def when(instant: datetime | str | None) -> str:
    """Write an instant for people; "" for none."""
    if instant is None:
        return ""
    return when_text(datetime.fromisoformat(instant) if isinstance(instant, str) else instant)


def link(path: str, **query: object) -> str:
    """Return the address of a page."""
    return f"{path}?{urlencode({name: value for name, value in query.items() if value is not None})}"


pages.filters["when"] = when
pages.filters["status"] = status_text
pages.globals["link"] = link
pages.globals["records_on"] = records.is_on()


def page(template: str, status: int = HTTPStatus.OK, **content: Any) -> Response[str]:
    """Return a page."""
    html = pages.get_template(template).render(person=actor(), scopes=scopes(), **content)
    return Response(status, "text/html; charset=utf-8", html)


def problem_page(status: int, title: str, fix: str, field: str) -> Response[str]:
    """Return the page of a problem, without the navigation for an unknown person."""
    person = named_actor()
    may = scopes() if person else set()
    html = pages.get_template("problem.html").render(person=person, scopes=may, title=title, fix=fix, field=field)
    return Response(status, "text/html; charset=utf-8", html, headers=dict(HEADERS))


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
    values = parse_qs(app.current_event.decoded_body or "", keep_blank_values=True)
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


@app.get("/style.css", include_in_schema=False)
def style() -> Response[str]:
    """Return how the pages look."""
    return Response(HTTPStatus.OK, "text/css; charset=utf-8", (FOLDER / "style.css").read_text())


@app.get("/", include_in_schema=False)
def start() -> Response[str]:
    """Return the search."""
    return page("start.html")


@app.get("/find", include_in_schema=False)
def find() -> Response[str]:
    """Go where the search leads: to a case, a learner, a course run, or a certificate's owner."""
    if certificate_id := query("certificate_id"):
        owners = owners_of(certificate_id)
        return page("owners.html", owners=owners) if owners[1:] else see("/case", **owners[0]._asdict())
    learner, course_run = query("learner_id"), query("course_run")
    if learner and course_run:
        return see("/case", learner_id=number(learner), course_run=key_of(course_run))
    if learner:
        return see("/learner", learner_id=number(learner))
    if course_run:
        return see("/course-run", course_run=key_of(course_run))
    raise RefusedActError(422, "nothing to look for", "give a learner id, a course run, or a certificate id")


@app.post("/find-learner", include_in_schema=False)
def find_learner() -> Response[str]:
    """Go to the learner who has a username or an e-mail; it is sent in the body, so that no address contains it."""
    person = form().get("person", "").strip()
    found = found_learners(lambda: learners.find_either(person))
    if len(found.learners) == 1 and not found.problem:
        return see("/learner", learner_id=found.learners[0].learner_id)
    return page("learners.html", found=found)


@app.get("/learner", include_in_schema=False)
def learner_page() -> Response[str]:
    """Return a learner's course runs."""
    learner_id = number(query("learner_id"))
    ABOUT["learner_id"] = learner_id
    content: dict[str, Any] = {
        "known_as": learners.name_of(learner_id),
        "course_runs": cases.course_runs_of(learner_id),
        "record": records.programs_of(learner_id, POLICIES, aws.now(), None) if records.is_on() else None,
    }
    return page("learner.html", learner_id=learner_id, **content)


@app.get("/case", include_in_schema=False)
def case_page() -> Response[str]:
    """Return a case, now or as of an instant."""
    as_of = instant(query("as_of"), "as_of")
    found = cases.open_case(pair_of(number(query("learner_id")), query("course_run")), POLICIES)
    body = cases.case_as_json(found, as_of, aws.now(), CERTIFICATE_URL, CONSUMER_DEAD_LETTERS)
    changes = what_if.possible_changes(found.record, POLICIES, aws.now())
    acts = offered(found) if as_of is None else {}
    helpful = {_BY_CHANGE.get(change["code"]) for way in body["counterfactuals"] for change in way}
    return page(
        "case.html",
        case=body,
        as_of=as_of,
        acts=acts,
        suggested=[name for name in acts if name in {*helpful, "release", "discard"}],
        chosen=query("act"),
        changes=[change for change in changes if not change.code.startswith("reset_exam")],
        done=query("done") or None,
        arrived=any(entry.event_id == query("done") for entry in found.record.timeline),
    )


_BY_CHANGE = {"allowlist": "allowlist-add", "lift_invalidation": "lift"}
"""The acts by which support brings about a change that would help."""


def offered(case: cases.Case) -> dict[str, acts.Act]:
    """Return the acts that make sense in a case and that the person may do."""
    timeline = case.record.timeline
    values = {(entry.fact, entry.subject): entry.value for entry in timeline}
    listed, invalidated = values.get((Fact.ALLOWLIST, PERSON)), values.get((Fact.INVALIDATION, PERSON))
    sensible = {
        "allowlist-add": not listed and not invalidated,
        "allowlist-remove": listed,
        "invalidate": not invalidated and not listed,
        "lift": invalidated,
        "date-set": case.published.certificate is not None,
        "date-remove": values.get((Fact.DATE_OVERRIDE, "")) is not None,
        "redecide": case.is_known,
        "release": case.published.pending is not None,
        "discard": case.published.pending is not None,
        "erase-name": True,
    }
    return {name: act for name, act in ACTS.items() if sensible[name] and act.scope in scopes()}


@app.get("/what-if", include_in_schema=False)
def what_if_page() -> Response[str]:
    """Return the outcome of a case after some changes; nothing is stored."""
    found = cases.open_case(pair_of(number(query("learner_id")), query("course_run")), POLICIES)
    codes = app.current_event.query_string_parameters.get("change", "").split(",")
    outcome = cases.what_if(found, [code for code in codes if code], [], aws.now())
    return page("what_if.html", pair=found.pair, outcome=outcome)


@app.post("/preview", include_in_schema=False)
def preview_page() -> Response[str]:
    """Return the preview of an act, with the form that confirms it."""
    fields = form()
    act = act_of(fields)
    _, preview, _ = previewed(act, "preview")
    allowed = preview.scope in scopes()
    return page(
        "preview.html",
        request=act,
        fields=fields,
        preview=preview,
        allowed=allowed,
        label=ACTS[act.act].label,
        key=uuid4(),
    )


@app.post("/act", include_in_schema=False)
def act_page() -> Response[str]:
    """Do the confirmed act, and return to the case."""
    fields = form()
    act = act_of(fields)
    answer = acted(act, key_in(fields))
    done = answer["event_id"] if act.act not in _CHANGE_NO_FACT else "sent"
    return see("/case", learner_id=act.learner_id, course_run=act.course_run, done=done)


_CHANGE_NO_FACT = {"redecide", "erase-name"}
"""Of these a case doesn't show that they have arrived."""


def key_in(fields: Mapping[str, str]) -> str:
    """Return the key by which a form counts once. Raises RefusedActError."""
    key = fields.get("key", "")
    if not 8 <= len(key) <= 255:
        raise RefusedActError(422, "the form has no key", "open the page again and send its form", "key")
    return key


def act_of(fields: Mapping[str, str]) -> ActRequest:
    """Read an act from a form. Raises RefusedActError."""
    try:
        return ActRequest(
            act=fields.get("act", ""),
            learner_id=number(fields.get("learner_id", "")),
            course_run=key_of(fields.get("course_run", "")),
            reason=fields.get("reason", ""),
            date=instant(fields.get("date", ""), "date") if fields.get("act") == "date-set" else None,
            version=number(fields["version"], "version") if fields.get("version") else None,
        )
    except ValidationError as error:
        raise unread(error) from error


def unread(error: ValidationError) -> RefusedActError:
    """Return the refusal of a form, naming the first field."""
    first = error.errors()[0]
    fix = str(first["msg"]).removeprefix("Value error, ")
    return RefusedActError(422, "the form can't be read", fix, str(first["loc"][0]))


@app.get("/course-run", include_in_schema=False)
def course_run_page() -> Response[str]:
    """Return a course run: its checklist, and its held revocations."""
    course_run = key_of(query("course_run"))
    checks = checklist.checks_of(course_run, POLICIES, aws.now())
    held, following = revocations.pending_in(course_run, read_cursor(query("cursor"), course_run), 50)
    stopped = any(check["code"] == "automatic_revocations" and not check["ok"] for check in checks)
    return page(
        "course_run.html",
        course_run=course_run,
        checks=checks,
        stopped=stopped,
        held=held,
        next=write_cursor(following),
        key=uuid4(),
    )


@app.post("/course-run/act", include_in_schema=False)
def course_run_act() -> Response[str]:
    """Discard all that is held in a course run, or stop or resume automatic revocations there or ("") everywhere."""
    fields = form()
    course_run, key, decision = fields.get("course_run") or None, key_in(fields), fields.get("choice", "")
    try:
        if decision == "discard":
            discarded(BulkDiscard(course_run=course_run or "", reason=fields.get("reason", "")), key)
        else:
            switched(decision, Switch(course_run=course_run, reason=fields.get("reason", "")), key)
    except ValidationError as error:
        raise unread(error) from error
    return see("/course-run", course_run=course_run) if course_run else see("/revocations")


@app.get("/revocations", include_in_schema=False)
def revocations_page() -> Response[str]:
    """Return the bulk revocations that were asked for, and all that is pending or held."""
    held, following = revocations.pending_in("", read_cursor(query("cursor")), 50)
    return page(
        "revocations.html",
        revocations=revocations.revocations(aws.now()),
        held=held,
        next=write_cursor(following),
        stopped=checklist.stopped_everywhere(),
        key=uuid4(),
    )


@app.post("/revocations/ask", include_in_schema=False)
def ask_page() -> Response[str]:
    """Ask for all held revocations of a course run to be released; a second person has to approve it."""
    fields = form()
    demand("revoke")
    try:
        bulk = BulkRevocation(
            act="release", course_run=key_of(fields.get("course_run", "")), reason=fields.get("reason", "")
        )
    except ValidationError as error:
        raise unread(error) from error
    key = key_in(fields)
    revocations.request_revocation(
        bulk.act, bulk.course_run, None, actor(), bulk.reason, now=aws.now(), key=key, policies=POLICIES
    )
    return see("/revocations")


@app.post("/revocations/decide", include_in_schema=False)
def decide_page() -> Response[str]:
    """Approve or decline a bulk revocation."""
    fields = form()
    demand("approve")
    approve = fields.get("choice") == "approve"
    revocations.decide_revocation(BUS, fields.get("id", ""), actor(), aws.now(), approve=approve)
    return see("/revocations")

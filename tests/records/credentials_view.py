"""The stand-in's `/api/v2/credentials/`: create or update, list, read, change one."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from tests.records.answers import (
    DENIED,
    NO_NULL,
    REQUIRED,
    Answer,
    BrokenError,
    InvalidError,
    no_longer,
    not_a_choice,
    not_allowed,
)
from tests.records.state import CourseCertificate, Credential, State, Type, User, read
from tests.records.tokens import Account

STATUSES = ("awarded", "revoked")

OPTIONS = {
    "name": "Credential List",
    "description": "",
    "renders": ["application/json", "text/html"],
    "parses": ["application/json", "application/x-www-form-urlencoded", "multipart/form-data"],
}


def field(of: str, label: str, *, read_only: bool = False, required: bool = False, **more: Any) -> dict[str, Any]:
    """Return how a field is described."""
    return {"type": of, "required": required, "read_only": read_only, "label": label, **more}


FIELDS = {
    "username": field("string", "Username", read_only=True),
    "credential": field("field", "Credential", read_only=True),
    "status": field("choice", "Status", choices=[{"value": name, "display_name": name} for name in STATUSES]),
    "uuid": field("string", "Uuid", read_only=True),
    "attributes": field(
        "field",
        "Attributes",
        read_only=True,
        child={
            "type": "nested object",
            "required": False,
            "read_only": True,
            "children": {
                name.lower(): field("string", name, required=True, max_length=255) for name in ("Name", "Value")
            },
        },
    ),
    "date_override": field(
        "nested object",
        "Date override",
        children={
            "date": field(
                "datetime",
                "Date",
                required=True,
                help_text="The date to override a course certificate with. This is set in the LMS Django Admin.",
            )
        },
    ),
    "created": field("datetime", "Created", read_only=True),
    "modified": field("datetime", "Modified", read_only=True),
    "certificate_url": field("field", "Certificate url", read_only=True),
}


def collection(state: State, account: Account, method: str, query: Mapping[str, str], body: Any) -> Answer:
    """Answer for the whole collection."""
    if method == "OPTIONS":
        return Answer(200, {**OPTIONS, "actions": {"POST": FIELDS}})
    if method == "GET":
        return _list(state, account, query)
    if not may_write(state, account):
        return Answer(403, DENIED)
    if method == "POST":
        row = _posted(state, body)
        return Answer(201, state.shown(row))
    return not_allowed(method)


def may_write(state: State, account: Account) -> bool:
    """Whether an account may add and change credentials."""
    return account.is_administrator or account.username in state.writers or is_superuser(state, account)


def is_superuser(state: State, account: Account) -> bool:
    """Whether an account is a superuser here."""
    return account.is_superuser or account.username in state.superusers


def _posted(state: State, body: Any) -> Credential:
    if not isinstance(body, dict):
        kind = type(body).__name__
        raise InvalidError({"non_field_errors": [f"Invalid data. Expected a dictionary, but got {kind}."]})
    errors = {name: found for name, found in _errors(body) if found}
    wanted = body.get("credential")
    if wanted is not None and not isinstance(wanted, dict):
        raise BrokenError
    if wanted is not None and "username" not in errors:
        try:
            of, key = _configured(state, wanted)
        except InvalidError as error:
            errors["credential"] = error.body
    if errors:
        raise InvalidError(errors)
    if of == "program":
        if state.user(body["username"]) is None:
            raise BrokenError  # it looks for the user to send an e-mail to
        if not state.program_certificates[key].in_catalog:
            raise BrokenError
    return _written(state, body, of, key)


def _errors(body: dict[str, Any]) -> Iterable[tuple[str, Any]]:
    yield "username", no_longer(body["username"], 255) if "username" in body else [REQUIRED]
    yield "credential", [] if body.get("credential") else [NO_NULL if "credential" in body else REQUIRED]
    if "status" in body and body["status"] not in STATUSES:
        yield "status", [NO_NULL if body["status"] is None else not_a_choice(body["status"])]
    if "attributes" in body:
        yield "attributes", _attribute_errors(body["attributes"])
    override = body.get("date_override")
    if override is not None:
        yield "date_override", _override_errors(override)


def _attribute_errors(attributes: Any) -> list[Any]:
    if attributes is None:
        return [NO_NULL]
    names = [item["name"] for item in attributes]
    if len(set(names)) < len(names):
        return ["Attribute names cannot be duplicated."]
    found = [{name: errors for name, value in item.items() if (errors := no_longer(value, 255))} for item in attributes]
    return found if any(found) else []


def _override_errors(override: Any) -> dict[str, list[str]]:
    if not isinstance(override, dict):
        kind = type(override).__name__
        return {"non_field_errors": [f"Invalid data. Expected a dictionary, but got {kind}."]}
    if "date" not in override:
        return {"date": [REQUIRED]}
    return {"date": [NO_NULL]} if override["date"] is None else {}


def _configured(state: State, wanted: dict[str, Any]) -> tuple[Type, str]:
    """Return the type and key of what is awarded, and configure it if need be. Raises InvalidError, BrokenError."""
    if "program_uuid" in wanted:  # it wins
        try:
            key = str(UUID(wanted["program_uuid"]))
        except ValueError:
            raise InvalidError([f"“{wanted['program_uuid']}” is not a valid UUID."]) from None
        found = state.program_certificates.get(key)
        if found is None or not found.is_active:
            raise InvalidError({"program_uuid": f"No active ProgramCertificate exists for program [{key}]"})
        return "program", key
    if "course_run_key" not in wanted:
        raise InvalidError(["Credential identifier is missing."])
    key = wanted["course_run_key"]
    configuration = state.course_certificates.get(key)
    if configuration is None:
        if state.course_of(key) is None:
            missing = f"CourseCertificate failed to create because the CourseRun {key} doesn't exist in the catalog"
            raise InvalidError({"course_run_key": missing})
        if wanted.get("mode") is None:
            raise BrokenError
        number = len(state.course_certificates) + 1
        state.course_certificates[key] = CourseCertificate(number, key, wanted["mode"])
    elif not configuration.is_active:
        raise InvalidError({"course_run_key": f"No active CourseCertificate exists for course run [{key}]"})
    return "course-run", key


def _written(state: State, body: dict[str, Any], of: Type, key: str) -> Credential:
    now, status = state.clock(), body.get("status", "awarded")
    row = state.credential(body["username"], key)
    if row is None:
        row = Credential(body["username"], of, key, status, state.new_uuid(), now, now)
        state.add(row)
    row.status, row.modified = status, now
    row.attributes |= {item["name"]: item["value"] for item in body.get("attributes", ())}
    if of == "course-run":
        override = body.get("date_override")
        row.override = _date(override["date"]) if override else None
    else:
        state.events.append((status, row.username, key))
    return row


def _date(text: str) -> datetime:
    found = read(text)
    if found is None:
        raise BrokenError
    return found


def _list(state: State, account: Account, query: Mapping[str, str]) -> Answer:
    if state.user(account.username) is None and not account.is_administrator:
        state.users.append(User(account.username))  # the first request of a learner's own token
    if account.username != query.get("username") and not is_superuser(state, account):
        return Answer(403, DENIED)
    status = query.get("status")
    if status is not None and status not in STATUSES:
        return Answer(400, {"status": [f"Select a valid choice. {status} is not one of the available choices."]})
    if query.get("page", "1") != "1":
        return Answer(404, {"detail": "Invalid page."})
    rows = [state.shown(row) for row in state.credentials.values() if _is_listed(state, row, query)]
    for row in rows:
        row["attributes"].sort(key=lambda item: item["name"])
    return Answer(200, {"count": len(rows), "next": None, "previous": None, "results": rows})


def _is_listed(state: State, row: Credential, query: Mapping[str, str]) -> bool:
    if "program_uuid" in query:
        program = next((program for program in state.programs if program.uuid == query["program_uuid"]), None)
        if program is None or row.key not in {program.uuid, *program.runs()}:
            return False
    return (
        query.get("username", row.username).lower() == row.username.lower()
        and query.get("status", row.status) == row.status
        and query.get("type", row.type) == row.type
        and ("only_visible" not in query or state.is_visible(row))
    )


def one(state: State, account: Account, method: str, wanted: str, body: Any) -> Answer:
    """Answer for one credential by its uuid."""
    allowed = may_write(state, account) if method == "PATCH" else is_superuser(state, account)
    if not allowed:
        return Answer(403, DENIED)
    row = state.by_uuid(wanted)
    if row is None:
        return Answer(404, {"detail": "No UserCredential matches the given query."})
    if method == "PATCH":
        _patch(state, row, body)
    elif method == "DELETE":
        row.status, row.modified = "revoked", state.clock()
    elif method != "GET":
        return not_allowed(method)
    return Answer(200, state.shown(row))


def _patch(state: State, row: Credential, body: dict[str, Any]) -> None:
    if body.get("date_override") is not None:
        raise BrokenError  # nested writes
    if "status" in body and body["status"] not in STATUSES:
        raise InvalidError({"status": [not_a_choice(body["status"])]})
    row.status, row.modified = body.get("status", row.status), state.clock()

"""The stand-in's other views: availability, grades, what holds for a learner, program records, usernames."""

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any

from tests.records import answers
from tests.records.answers import Answer
from tests.records.state import (
    MODES,
    SITE,
    Course,
    CourseCertificate,
    Credential,
    Grade,
    Program,
    State,
    User,
    read,
    written,
)

_NO_DATE = (
    "Datetime has wrong format. Use one of these formats instead: YYYY-MM-DDThh:mm[:ss[.uuuuuu]][+HH:MM|-HH:MM|Z]."
)


def availabilities(state: State, method: str, body: Any) -> Answer:
    """Answer for `/api/v2/course_certificates/`."""
    if method != "POST":
        return answers.not_allowed(method)
    _availability_errors(body)
    if not {"certificate_available_date", "is_active"} <= body.keys():
        raise answers.BrokenError
    run = body["course_id"]
    found = state.course_certificates.get(run)
    if found is None:
        found = CourseCertificate(len(state.course_certificates) + 1, run, body["certificate_type"])
        state.course_certificates[run] = found
    elif found.mode != body["certificate_type"]:
        raise answers.BrokenError
    _set_availability(found, body)
    return Answer(201, _availability(state, found))


def availability(state: State, method: str, run: str, body: Any) -> Answer:
    """Answer for one course run's."""
    found = state.course_certificates.get(run)
    if found is None:
        return Answer(404, {"detail": "No CourseCertificate matches the given query."})
    if method in {"PUT", "PATCH"}:
        _availability_errors({"course_id": run, **body})
        _set_availability(found, body)
    elif method != "GET":
        return answers.not_allowed(method)
    return Answer(200, _availability(state, found))


def _availability_errors(body: dict[str, Any]) -> None:
    errors: dict[str, list[str]] = {}
    if not body["course_id"].startswith("course-v1:") and body["course_id"].count("/") != 2:
        errors["course_id"] = ["Invalid course key."]
    mode = body.get("certificate_type")
    if mode is not None and mode not in MODES:
        errors["certificate_type"] = [answers.not_a_choice(mode)]
    date = body.get("certificate_available_date")
    if date is not None and read(date) is None:
        errors["certificate_available_date"] = [_NO_DATE]
    if errors:
        raise answers.InvalidError(errors)


def _set_availability(found: CourseCertificate, body: dict[str, Any]) -> None:
    if "certificate_available_date" in body:
        found.available = read(body["certificate_available_date"])
    found.is_active = body.get("is_active", found.is_active)


def _availability(state: State, found: CourseCertificate) -> dict[str, Any]:
    return {
        "id": found.id,
        "site": SITE,
        "course_id": found.course_id,
        "course_run": found.course_id if state.course_of(found.course_id) else None,
        "certificate_type": found.mode,
        "certificate_available_date": written(found.available),
        "is_active": found.is_active,
    }


def grades(state: State, method: str, body: Any) -> Answer:
    """Answer for `/api/v2/grades/`."""
    if method != "POST":
        return answers.not_allowed(method)
    errors = {name: found for name, found in _grade_errors(state, body).items() if found}
    if errors:
        raise answers.InvalidError(errors)
    now, key = state.clock(), (body["username"].lower(), body["course_run"])
    before = state.grades.get(key)
    grade = Grade(
        id=before.id if before else len(state.grades) + 1,
        username=body["username"],
        course_run=body["course_run"],
        letter=body.get("letter_grade") or "",
        percent=f"{Decimal(str(body['percent_grade'])):.4f}",
        verified=body["verified"] in {True, "True"},
        updated=read(body.get("lms_last_updated_at")),
        created=before.created if before else now,
        modified=now,
    )
    state.grades[key] = grade
    shown = {
        "id": grade.id,
        "username": grade.username,
        "course_run": grade.course_run,
        "letter_grade": grade.letter,
        "percent_grade": grade.percent,
        "verified": grade.verified,
        "lms_last_updated_at": written(grade.updated),
        "created": written(grade.created),
        "modified": written(grade.modified),
    }
    return Answer(201, shown)


def _grade_errors(state: State, body: dict[str, Any]) -> dict[str, list[str]]:
    percent = body.get("percent_grade")
    run = body.get("course_run")
    return {
        "username": answers.no_longer(body["username"], 150) if "username" in body else [answers.REQUIRED],
        "course_run": [] if state.course_of(str(run)) else [f"No CourseRun exists for key [{run}]"],
        "percent_grade": [answers.NO_NULL] if percent is None else _percent_errors(Decimal(str(percent))),
    }


def _percent_errors(percent: Decimal) -> list[str]:
    _, digits, exponent = percent.as_tuple()
    assert isinstance(exponent, int)
    if len(digits) > 5:
        return ["Ensure that there are no more than 5 digits in total."]
    return ["Ensure that there are no more than 4 decimal places."] if exponent < -4 else []


def certificate_status(state: State, asked: dict[str, Any]) -> Answer:
    """Answer for `/api/credentials/v1/learner_cert_status/`: awarded and visible course credentials only."""
    if "lms_user_id" in asked and "username" in asked:
        return Answer(400, None)
    if "lms_user_id" in asked:
        users = state.users_of(asked["lms_user_id"])
        if len(users) > 1:
            raise answers.BrokenError
    else:
        users = [user for user in (state.user(asked["username"]),) if user]
    if not users:
        return Answer(200, {"lms_user_id": asked.get("lms_user_id"), "username": None, "status": []})
    (user,) = users
    rows = [row for row in state.of_user(user.username) if row.key in asked["course_runs"] and row.status == "awarded"]
    status = [_certificate(state, row) for row in rows if state.is_visible(row)]
    return Answer(200, {"lms_user_id": user.lms_user_id, "username": user.username, "status": status})


def _certificate(state: State, row: Credential) -> dict[str, Any]:
    course = state.course_of(row.key)
    assert course
    configuration = state.course_certificates[row.key]
    return {
        "course_uuid": course.uuid,
        "course_run": {"uuid": course.runs[row.key], "key": row.key},
        "status": row.status,
        "type": configuration.mode,
        "certificate_available_date": written(configuration.available),
        "grade": _grade_of(state, row),
    }


def _grade_of(state: State, row: Credential) -> dict[str, Any] | None:
    grade = state.grades.get((row.username.lower(), row.key))
    if grade is None:
        return None
    return {"letter_grade": grade.letter, "percent_grade": float(grade.percent), "verified": grade.verified}


def records(state: State, query: Mapping[str, str]) -> Answer:
    """Answer for `/records/api/v1/program_records/`."""
    user = state.user(query["username"])
    if user is None:
        return Answer(404, None)
    awarded = {row.key for row in state.of_user(user.username) if row.status == "awarded"}
    found = [
        {
            "name": program.name,
            "uuid": program.uuid.replace("-", ""),
            "partner": "Demo",
            "completed": program.uuid in awarded,
            "empty": False,
        }
        for program in sorted(state.programs, key=lambda program: program.name)
        if awarded & {program.uuid, *program.runs()}
    ]
    return Answer(200, {"enrolled_programs": found})


def record(state: State, wanted: str, query: Mapping[str, str]) -> Answer:
    """Answer for one program's record."""
    user = state.user(query["username"])
    program = next((program for program in state.programs if program.uuid.replace("-", "") == wanted), None)
    if user is None or program is None:
        raise answers.BrokenError
    held = state.credential(user.username, program.uuid)
    lines = [_line(state, user, course) for course in program.courses]
    found = [grade for grade in _grades_in(state, user, program) if grade.verified]
    updated = max(grade.modified for grade in found) if found else state.clock().replace(tzinfo=None)
    shown = {
        "learner": {"full_name": user.full_name, "username": user.username, "email": user.email},
        "program": {
            "name": program.name,
            "type": program.type,
            "type_name": program.type_name,
            "completed": held is not None and held.status == "awarded",
            "empty": not found,
            "last_updated": updated.isoformat(),
            "school": "Demo",
        },
        "platform_name": "Example",
        "grades": lines,
        "pathways": [],
        "shared_program_record_uuid": None,
    }
    return Answer(200, {"record": shown, "is_public": False, "uuid": wanted, "records_help_url": ""})


def _grades_in(state: State, user: User, program: Program) -> list[Grade]:
    runs = program.runs()
    return [grade for (name, run), grade in state.grades.items() if name == user.username.lower() and run in runs]


def _line(state: State, user: User, course: Course) -> dict[str, Any]:
    rows = [row for row in state.of_user(user.username) if row.key in course.runs and row.status == "awarded"]
    line: dict[str, Any] = {"name": course.name, "school": "Demo", "attempts": "", "course_id": "", "issue_date": ""}
    if not rows:
        return {**line, "percent_grade": "", "letter_grade": ""}
    row = min(rows, key=state.available)
    line |= {"course_id": row.key, "issue_date": (row.override or state.available(row)).isoformat()}
    grade = state.grades.get((user.username.lower(), row.key))
    if grade is None:
        return {**line, "percent_grade": "", "letter_grade": ""}
    attempts = sum(name == user.username.lower() and run in course.runs for name, run in state.grades)
    return {
        **line,
        "attempts": attempts,
        "percent_grade": float(grade.percent),
        "letter_grade": grade.letter or "N/A",
    }


def usernames(state: State, body: Any) -> Answer:
    """Answer for `/api/v2/replace_usernames/`: what fails is in the answer, not in the status."""
    mappings = body.get("username_mappings")
    if not isinstance(mappings, list):
        return Answer(400, None)
    results: tuple[list[Any], list[Any]] = [], []
    for mapping in mappings:
        ((old, new),) = mapping.items()
        results[0 if _replaced(state, old, new) else 1].append(mapping)
    return Answer(200, {"successful_replacements": results[0], "failed_replacements": results[1]})


def _replaced(state: State, old: str, new: str) -> bool:
    rows = list(state.of_user(old))
    if any(state.credential(new, row.key) for row in rows):
        return False
    for row in rows:
        del state.credentials[old.lower(), row.key]
        state.add(replace(row, username=new))
    for name, run in [key for key in state.grades if key[0] == old.lower()]:
        state.grades[new.lower(), run] = replace(state.grades.pop((name, run)), username=new)
    user = state.user(old)
    if user is not None:
        user.username = new
    return True

"""What a person wrote into a form that was refused: the page of the refusal has it again, to be corrected."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import NamedTuple


class Written(NamedTuple):
    """A field that a person wrote."""

    name: str
    label: str
    value: str
    rows: int  # of the text; 1: a line


class RefusedForm(NamedTuple):
    """A form to send again, corrected. It shows first what it would do: nothing is done by correcting it."""

    path: str
    hidden: Mapping[str, str]
    written: tuple[Written, ...]


_WHY, _COURSE_RUN = ("reason", "Why", 2), ("course_run", "Course run", 1)

_WRITTEN: Mapping[str, tuple[tuple[str, str, int], ...]] = {
    "/preview": (("date", "Date, in UTC", 1), _WHY),
    "/program/preview": (_WHY,),
    "/lists/preview": (_COURSE_RUN, ("text", "Learners", 8), _WHY),
    "/course-run/act": (_WHY,),
    "/revocations/ask": (_WHY,),
    "/regenerations/start": (("course_runs", "Course runs", 3), _WHY),
    "/records/retry": (_WHY,),
    "/send-again": (("since", "Changes from, in UTC", 1), ("until", "before, in UTC", 1), _WHY),
}
"""By the path that shows what a form would do: the fields that a person writes, with the rows of each."""

_LOOKED_AT_FIRST = {"/act": "/preview", "/program/act": "/program/preview", "/lists/act": "/lists/preview"}

_CORRECTABLE = {HTTPStatus.NOT_FOUND, HTTPStatus.UNPROCESSABLE_ENTITY}


def refused_form(path: str, fields: Mapping[str, str], status: int) -> RefusedForm | None:
    """Return the form to correct after a refusal with this status; None if what was written is not what is wrong."""
    path = _LOOKED_AT_FIRST.get(path, path)
    if status not in _CORRECTABLE or not fields or path not in _WRITTEN:
        return None
    written = tuple(Written(name, label, fields.get(name, ""), rows) for name, label, rows in _WRITTEN[path])
    names = {one.name for one in written} | {"key", "seen"}
    if path == "/preview" and fields.get("act") != "date-set":
        written = tuple(one for one in written if one.name != "date")
    return RefusedForm(path, {name: value for name, value in fields.items() if name not in names}, written)

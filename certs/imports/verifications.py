"""The readers of the platform's tables of ID verification attempts, one table for each kind of attempt."""

from collections.abc import Callable, Iterator
from datetime import datetime

from certrules.core.fact_types import Approval, Fact
from certrules.formats.refusals import Reason
from certrules.formats.table_rows import Observation, TableRow
from certs.imports.rows import Fields, RejectedError

_UNDECIDED = {"created", "ready", "submitted", "must_retry", "pending"}
_STATUSES = {"approved", "denied", *_UNDECIDED}
_ENDS = ("expiration_date", "expiration_datetime", "expiry_date")
"""Columns that have the end of an attempt, by table and by release of the platform."""


def verification(kind: str) -> Callable[[Fields, str], Iterator[TableRow]]:
    """Return the reader of attempts of a kind. Each table counts its own, so an attempt is named by kind and number.

    An empty kind is that of the attempts that the platform's events are about: these are named by their number alone.
    """

    def read(fields: Fields, source: str) -> Iterator[TableRow]:
        status = fields.required("status").casefold()
        if status not in _STATUSES:
            fix = f"{status[:80]!r} is none of {', '.join(sorted(_STATUSES))}"
            raise RejectedError(Reason.BAD_VALUE, "status", fix)
        if status in _UNDECIDED:
            return
        learner_id, number = fields.number("user_id"), fields.number("id")
        updated_at = _first_time(fields, "updated_at", "modified")
        changed_at = _first_time(fields, "status_changed") or updated_at
        if changed_at is None:
            fix = "neither this nor `updated_at` is a time, so nobody knows when the attempt was decided; fill in one"
            raise RejectedError(Reason.MISSING_FIELD, "status_changed", fix)
        value = Approval(_end(fields, kind)) if status == "approved" else None
        observed_at = max(changed_at, updated_at or changed_at)
        attempt = f"{kind}:{number}" if kind else str(number)
        yield TableRow(
            learner_id, None, (Observation(changed_at, observed_at, Fact.ID_VERIFICATION, value, source, attempt),)
        )

    return read


def _end(fields: Fields, kind: str) -> datetime | None:
    """Return when (UTC) an approval ends; None: never. Only attempts without a kind can be without an end."""
    for column in _ENDS:
        end = fields.instant_or_none(column)
        if end is not None:
            return end
    if not kind and not any(fields.problem_of(column) for column in _ENDS):
        return None
    created_at = _first_time(fields, "created_at", "created")
    if created_at is None:
        fix = "neither this nor `created_at` is a time, so nobody knows how long the attempt counts; fill in one"
        raise RejectedError(Reason.MISSING_FIELD, "expiration_date", fix)
    return created_at + fields.id_verification


def _first_time(fields: Fields, *columns: str) -> datetime | None:
    """Return the time in the first of these columns that has one."""
    found = (fields.or_none(fields.past, column) for column in columns)
    return next((time for time in found if time is not None), None)

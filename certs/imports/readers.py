"""The readers of the tables' rows: the facts in a row, about whom, and since when.

Times in the tables are UTC without an offset. A row shows the current state; where nothing dates a change, it counts as
far back as it can have been so (see certrules.formats.table_rows).
"""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

from certrules.core.fact_types import Approval, Enrollment, Fact, Grade, Recorded
from certrules.core.terms import Status
from certrules.formats.platform_events import implies_passing
from certrules.formats.refusals import EARLIEST, Reason
from certrules.formats.table_rows import Observation, TableRow
from certs.imports.rows import Change, Fields, RejectedError

EXPORTED = datetime(9999, 12, 31, tzinfo=UTC)
"""In the place of when a table was exported, which is known when all tables are read."""

ID_VERIFICATION_DAYS = 365
"""For how long an ID verification without an expiration date holds: the platform's VERIFY_STUDENT["DAYS_GOOD_FOR"]."""


_NOTHING_NEW = {"created", "ready", "submitted", "must_retry", "pending"}
_DISPLAY = {"early_with_info": "early_no_info"} | {name: name for name in ("early_no_info", "end", "end_with_date")}


def _pair(fields: Fields, *observations: Observation) -> Iterator[TableRow]:
    yield TableRow(fields.number("user_id"), fields.course_run("course_id"), observations)


# --- course runs


def overview(fields: Fields, source: str) -> Iterator[TableRow]:
    """Read the settings of a course run."""
    course_run = fields.course_run("id")
    behavior = fields.observation("certificates_display_behavior")
    if behavior and behavior not in _DISPLAY:
        fix = f"{behavior[:80]!r} is none of {', '.join(_DISPLAY)}"
        raise RejectedError(Reason.BAD_VALUE, "certificates_display_behavior", fix)
    early = fields.flag("certificates_show_before_end")
    settings = {
        "": True,
        "web_certificates_enabled": fields.flag("cert_html_view_enabled"),
        "display_behavior": "early_no_info" if early else _DISPLAY.get(behavior),
        "available_date": fields.instant("certificate_available_date"),
        "end": fields.instant("end"),
        "self_paced": fields.flag("self_paced"),
    }
    modified = fields.past("modified")
    yield TableRow(
        None,
        course_run,
        tuple(
            Observation(EARLIEST, modified, Fact.COURSE_RUN, value, source, setting)
            for setting, value in settings.items()
        ),
    )


# --- learners in course runs


def enrollment(fields: Fields, source: str) -> Iterator[TableRow]:
    """Read an enrollment as it is now."""
    value = Enrollment(fields.required("mode") and fields.observation("mode"), fields.flag("is_active"))
    since = fields.past_or_none("created") or EARLIEST
    yield from _pair(fields, Observation(since, EXPORTED, Fact.ENROLLMENT, value, source))


def enrollment_history(fields: Fields, source: str) -> Iterator[TableRow]:
    """Read an enrollment as it was from `history_date` on."""
    active = fields.flag("is_active") and not _is_deletion(fields)
    value = Enrollment(fields.required("mode") and fields.observation("mode"), active)
    observed_at = fields.past("history_date")
    since = min(observed_at, fields.past_or_none("created") or EARLIEST)
    yield from _pair(fields, Observation(since, observed_at, Fact.ENROLLMENT, value, source))


def grade(fields: Fields, source: str) -> Iterator[TableRow]:
    """Read a grade, and whether the learner passed and passes."""
    letter = fields.observation("letter_grade")
    percent = fields.share("percent_grade")
    passed_at, modified = fields.past_or_none("passed_timestamp"), fields.past("modified")
    passing = implies_passing(letter)
    observations = [Observation(modified, modified, Fact.GRADE, Grade(percent, letter), source)]
    if passed_at is not None:
        if passed_at > modified or (passed_at == modified and not passing):
            fix = "it is not before `modified`: a row that says when the learner passed is not older than that"
            raise RejectedError(Reason.BAD_VALUE, "passed_timestamp", fix)
        observations.append(Observation(passed_at, passed_at, Fact.PASSING, True, source))
    # Who never passed never fell: dated before everything, this entry can cost nobody a certificate.
    at = modified if passing or passed_at is not None else EARLIEST
    observations.append(Observation(at, at, Fact.PASSING, passing, source))
    yield from _pair(fields, *observations)


def certificate(fields: Fields, source: str) -> Iterator[TableRow]:
    """Read a certificate of the old logic."""
    try:
        status = Status(fields.required("status"))
    except ValueError:
        fix = f"{fields.text('status')[:80]!r} is none of {', '.join(Status)}"
        raise RejectedError(Reason.BAD_VALUE, "status", fix) from None
    modified = fields.past("modified_date")
    value = Recorded(
        status,
        fields.observation("mode"),
        fields.observation("grade"),
        fields.observation("verify_uuid"),
        fields.past("created_date"),
        modified,
    )
    yield from _pair(fields, Observation(modified, modified, Fact.RECORDED, value, source))


def listed(column: str) -> Callable[[Fields, str], Iterator[TableRow]]:
    """Return the reader of an allowlist entry, whose flag is in this column."""

    def read(fields: Fields, source: str) -> Iterator[TableRow]:
        listed = fields.flag(column)
        created = fields.past("created")
        observed_at = max(created, fields.past_or_none("modified") or created)
        since = created if listed else observed_at
        yield from _pair(
            fields, Observation(since, observed_at, Fact.ALLOWLIST, listed, source, notes=fields.notes("notes"))
        )

    return read


def allowlist_history(fields: Fields, source: str) -> Iterator[TableRow]:
    """Read an allowlist entry as it was from `history_date` on."""
    listed = fields.flag("allowlist") and not _is_deletion(fields)
    observed_at = fields.past("history_date")
    since = min(observed_at, fields.past("created")) if listed else observed_at
    by, notes = fields.person("history_user_id"), fields.notes("notes")
    yield from _pair(fields, Observation(since, observed_at, Fact.ALLOWLIST, listed, source, by=by, notes=notes))


def role(fields: Fields, source: str) -> Iterator[TableRow]:
    """Read a role: only beta testers count."""
    if fields.observation("role") == "beta_testers":
        yield from _pair(fields, Observation(EARLIEST, EXPORTED, Fact.BETA_TESTER, True, source))


def _is_deletion(fields: Fields) -> bool:
    kind = fields.required("history_type")
    if kind not in {"+", "~", "-"}:
        raise RejectedError(Reason.BAD_VALUE, "history_type", f"{kind[:80]!r} is none of +, ~, -")
    return kind == "-"


# --- certificates by their id


def invalidation(fields: Fields, source: str) -> Iterator[Change]:
    """Read an invalidation as it is now."""
    created = fields.past("created")
    until = None if fields.flag("active") else max(created, fields.past("modified"))
    yield _change(fields, source, created, True, ("invalidated_by_id", "notes"), until)


def invalidation_history(fields: Fields, source: str) -> Iterator[Change]:
    """Read an invalidation as it was from `history_date` on."""
    active = fields.flag("active") and not _is_deletion(fields)
    at = fields.past("history_date")
    who = "invalidated_by_id" if active else "history_user_id"
    yield _change(fields, source, at, active, (who, "notes"))


def override(fields: Fields, source: str) -> Iterator[Change]:
    """Read the date that a certificate shows."""
    at = max(fields.past("created"), fields.past("modified"))
    yield _change(fields, source, at, _date(fields), ("overridden_by_id", "reason"))


def override_history(fields: Fields, source: str) -> Iterator[Change]:
    """Read the date that a certificate showed from `history_date` on."""
    gone = _is_deletion(fields)
    who = "history_user_id" if gone else "overridden_by_id"
    yield _change(fields, source, fields.past("history_date"), None if gone else _date(fields), (who, "reason"))


def _date(fields: Fields) -> datetime:
    date = fields.instant("date")
    if date is None:
        raise RejectedError(Reason.MISSING_FIELD, "date", "it is empty; it is the date that the certificate shows")
    return date


def _change(
    fields: Fields, source: str, at: datetime, value: object, columns: tuple[str, str], until: datetime | None = None
) -> Change:
    certificate = fields.number("generated_certificate_id")
    row, is_history = fields.required("id"), bool(fields.text("history_type"))
    return Change(
        certificate, source, row, is_history, at, until, value, fields.person(columns[0]), fields.notes(columns[1])
    )


# --- learners


def verification(kind: str) -> Callable[[Fields, str], Iterator[TableRow]]:
    """Return the reader of the ID verification attempts of this kind."""

    def read(fields: Fields, source: str) -> Iterator[TableRow]:
        status = fields.required("status")
        learner_id, attempt = fields.number("user_id"), f"{kind}:{fields.number('id')}"
        changed, updated = fields.past("status_changed"), fields.past("updated_at")
        if status == "approved":
            created = fields.past("created_at")
            value = Approval(fields.instant("expiration_date") or created + timedelta(days=ID_VERIFICATION_DAYS))
        elif status == "denied":
            value = None
        elif status in _NOTHING_NEW:
            return
        else:
            known = ", ".join(sorted({"approved", "denied", *_NOTHING_NEW}))
            raise RejectedError(Reason.BAD_VALUE, "status", f"{status[:80]!r} is none of {known}")
        observed_at = max(changed, updated)
        yield TableRow(
            learner_id, None, (Observation(changed, observed_at, Fact.ID_VERIFICATION, value, source, attempt),)
        )

    return read

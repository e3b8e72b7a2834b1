"""Why an event is refused, and which field and fix the refusal names."""

import re
from datetime import UTC, datetime
from enum import StrEnum
from typing import NamedTuple

import msgspec

from certrules.core.terms import described, mode_of
from certrules.formats.course_keys import is_course_key

EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)
"""Before this, an event's time is a clock that was never set."""


class Reason(StrEnum):
    """Why an event was refused. Never renamed: parked messages, metrics and docs carry it."""

    TOO_LARGE = "too_large"
    WRONG_FORM = "wrong_form"
    NOT_JSON = "not_json"
    MISSING_FIELD = "missing_field"
    WRONG_TYPE = "wrong_type"
    BAD_VALUE = "bad_value"
    UNKNOWN_TYPE = "unknown_type"
    UNKNOWN_VERSION = "unknown_version"
    TYPE_MISMATCH = "type_mismatch"
    NAIVE_TIME = "naive_time"
    FUTURE_TIME = "future_time"
    BAD_COURSE_KEY = "bad_course_key"
    SOURCE_NOT_TRUSTED = "source_not_trusted"
    TIMELINE_FULL = "timeline_full"
    NOT_AVRO = "not_avro"
    UNKNOWN_SCHEMA = "unknown_schema"
    REPEATED_HEADER = "repeated_header"
    NO_USERNAME = "no_username"


BY_BRIDGES = {Reason.NOT_AVRO, Reason.UNKNOWN_SCHEMA, Reason.REPEATED_HEADER, Reason.NO_USERNAME}
"""The reasons for which only bridges refuse: records of the platform's own bus, and events on their way to it."""


class Sender(NamedTuple):
    """Who sent an event: by the bus's envelope if it has one, else by its own metadata."""

    source: str
    account: str  # the AWS account; "" if the envelope names none
    is_of_bus: bool  # whether it came in an envelope

    @property
    def field(self) -> str:
        """The path of the field that names the source."""
        return "source" if self.is_of_bus else "metadata.source"


class RefusedError(ValueError):
    """An event that can't be ingested. A retry can't help. Names the field and the fix."""

    def __init__(self, reason: Reason, field: str, fix: str, sender: Sender | None = None) -> None:
        """Refuse for a reason; `field` is its path within the event, "" for the whole; `sender` if it is why."""
        super().__init__(f"{reason}: {field}: {fix}" if field else f"{reason}: {fix}")
        self.reason = reason
        self.field = _printable(field)
        self.fix = _printable(fix)
        self.sender = sender

    def as_json(self) -> dict[str, str]:
        """Return the refusal for a parked message."""
        stated = {"reason": self.reason.value, "field": self.field, "fix": self.fix}
        if self.sender is not None:
            stated |= {"source": _printable(self.sender.source), "account": _printable(self.sender.account)}
        return stated


def _printable(text: str) -> str:
    """Escape characters of the event that a queue does not accept in an attribute."""
    return text if text.isprintable() else ascii(text)[1:-1]


_TYPE_NAME = re.compile(r"(org\.openedx|certificates|edx)(\.[a-z0-9_]{1,60}){1,8}")


def type_name(name: str) -> str:
    """Return the name of an event type as it is, if it has that form; else its description."""
    return repr(name) if _TYPE_NAME.fullmatch(name) else described(name)


def checked_course_key(course_key: str, field: str) -> str:
    """Return the course-run key as it is. Raises RefusedError if no course run can have it.

    The refusal names the key that was probably meant, and nothing else of the text.
    """
    if not is_course_key(course_key):
        from certrules.formats.key_spellings import no_course_key  # noqa: PLC0415 - other events don't wait for it

        raise RefusedError(Reason.BAD_COURSE_KEY, field, no_course_key(course_key))
    return course_key


def checked_mode(mode: str, field: str) -> str:
    """Return an enrollment mode, trimmed and in lower case. Raises RefusedError for a spelling of nothing."""
    found = mode_of(mode)
    if not found:
        fix = (
            f"{described(mode)} is no enrollment mode: send the mode that the learner is enrolled in, such as verified"
        )
        raise RefusedError(Reason.BAD_VALUE, field, fix)
    return found


class Refusing:
    """Turns an error of the decoder into a refusal that names the field."""

    def __init__(self, field: str) -> None:
        self._field = field

    def __enter__(self) -> None: ...

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if error is None:
            return
        if isinstance(error, msgspec.ValidationError):
            raise _refusal(self._field, str(error)) from error
        if isinstance(error, (msgspec.DecodeError, UnicodeError, RecursionError)):
            raise RefusedError(Reason.NOT_JSON, self._field, _no_json(error)) from error


def _no_json(error: Exception) -> str:
    if isinstance(error, UnicodeError):
        return "it is no UTF-8: send JSON in UTF-8, with whole characters"
    return "it is nested too deeply" if isinstance(error, RecursionError) else str(error)


_DECODER_MESSAGES = (
    ("Object missing required field", Reason.MISSING_FIELD),
    ("Expected `datetime` with a timezone", Reason.NAIVE_TIME),
    ("Invalid", Reason.BAD_VALUE),
    ("Integer value out of range", Reason.BAD_VALUE),
    ("Number out of range", Reason.BAD_VALUE),
    ("Expected `str` of length", Reason.BAD_VALUE),
    ("Expected `int` >", Reason.BAD_VALUE),
    ("Expected `int` <", Reason.BAD_VALUE),
    ("Expected `float` >", Reason.BAD_VALUE),
    ("Expected `float` <", Reason.BAD_VALUE),
)


def _refusal(prefix: str, message: str) -> RefusedError:
    """Return the refusal for a decoder's message, such as "Expected `int`, got `str` - at `$.user.id`"."""
    fix = message.partition(" - at `$")[0]
    reason = next((reason for start, reason in _DECODER_MESSAGES if fix.startswith(start)), Reason.WRONG_TYPE)
    if fix.startswith("Invalid enum value"):  # the only message of the decoder that repeats a value
        fix = "it is none of the values of this field, see docs/events.md"
    return RefusedError(reason, f"{prefix}.{path_of(message)}".strip("."), fix)


def path_of(message: str) -> str:
    """Return the path of the field that a decoder's message is about."""
    fix, _, path = message.partition(" - at `$")
    field = path.rstrip("`").partition("[")[0]
    if fix.startswith("Object missing required field"):
        field += "." + fix.split("`")[1]
    return field.strip(".")


def in_utc(instant: datetime, field: str) -> datetime:
    """Return an instant in UTC. Raises RefusedError, which names the field, if UTC can't express it."""
    try:
        return instant if instant.tzinfo is UTC else instant.astimezone(UTC)
    except OverflowError as error:
        raise RefusedError(Reason.BAD_VALUE, field, "a time that can't be expressed in UTC") from error

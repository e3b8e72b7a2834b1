"""Words for what is wrong with a field of a form: the validation's own are for programmers."""

from collections.abc import Mapping
from typing import Any

LABELS: Mapping[str, str] = {
    "act": "What to do",
    "course_run": "Course run",
    "course_runs": "Course runs",
    "date": "Date",
    "learner_id": "Learner id",
    "reason": "Why",
    "since": "From",
    "text": "Learners",
    "until": "Until",
}
"""What the fields that people fill in are called on pages."""

_AGAIN = "open the page again, and choose there"
_EMPTY = {"missing", "string_too_short", "too_short"}
_CHOICES = {"literal_error", "enum", "bool_parsing", "uuid_parsing", "string_pattern_mismatch"}


def words_for(error: Mapping[str, Any]) -> tuple[str, str]:
    """Return what is wrong with a field, and what to do about it; `error` is the validation's first."""
    field, kind, limits = str(error["loc"][0]), error["type"], error.get("ctx", {})
    named = f"“{LABELS.get(field, field)}”"
    if kind in _EMPTY:
        least = limits.get("min_length", 1)
        if least > 1:
            return f"{named} is empty or too short", f"write at least {least} characters"
        return f"{named} is empty", "fill it in"
    if kind in {"string_too_long", "too_long"}:
        what = "characters" if kind == "string_too_long" else "of them"
        return f"{named} is too long", f"write at most {limits['max_length']:,} {what}"
    if kind in _CHOICES:
        return f"{named} is none of what can be chosen", _AGAIN
    return f"{named} can't be read", str(error["msg"]).removeprefix("Value error, ")

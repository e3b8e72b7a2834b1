"""Options that the `certs` commands share: instants and examples."""

from datetime import UTC, datetime
from typing import override

import click


class Instant(click.ParamType):
    """An instant as ISO 8601 with its offset from UTC."""

    name = "time"

    @override
    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """Read it."""
        if isinstance(value, datetime):
            return value
        try:
            instant = datetime.fromisoformat(str(value))
            if instant.tzinfo is None:
                self.fail(f"{value!r} has no offset from UTC; add Z for UTC, as in 2026-01-31T00:00:00Z", param, ctx)
            return instant.astimezone(UTC)
        except (ValueError, OverflowError):
            self.fail(f"{value!r} is no time such as 2026-01-31T00:00:00Z", param, ctx)


class CourseRun(click.ParamType):
    """A course run's key."""

    name = "course run"

    @override
    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Check it, before anybody is asked."""
        from certrules.formats.refusals import RefusedError, checked_course_key

        try:
            return checked_course_key(str(value), "COURSE_RUN")
        except RefusedError as refusal:
            self.fail(refusal.fix, param, ctx)


def examples(*lines: str) -> str:
    """Return the last paragraph of a help text, its lines as they are."""
    return "\b\n" + "\n".join(lines)

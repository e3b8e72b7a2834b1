"""Options that the `certs` commands share: instants and examples."""

from datetime import datetime
from typing import override

import click


class Instant(click.ParamType):
    """An instant as ISO 8601 with its offset from UTC."""

    name = "time"

    @override
    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """Read it."""
        from certrules.formats.written_instants import read_instant

        if isinstance(value, datetime):
            return value
        try:
            return read_instant(value)
        except ValueError as error:
            self.fail(f"{str(value)[:40]!r} is no instant: {error}", param, ctx)


class CourseRun(click.ParamType):
    """A course run's key."""

    name = "course run"

    @override
    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Check it, before anybody is asked."""
        from certrules.formats.course_keys import is_course_key
        from certrules.formats.key_spellings import no_course_key

        text = str(value)
        if not is_course_key(text):
            self.fail(no_course_key(text, f"{text[:80]!r}"), param, ctx)
        return text


def examples(*lines: str) -> str:
    """Return the last paragraph of a help text, its lines as they are."""
    return "\b\n" + "\n".join(lines)

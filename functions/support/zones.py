"""The reader's time zone: chosen in a page's query, remembered in a cookie, and written beside every time in UTC."""

import re
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.shared.cookies import Cookie, SameSite

from application import app
from certrules.requests import RefusedActError
from certrules.support.replies import zone_of

_COOKIE = "zone"
_YEAR = 31_536_000
_WRITTEN = re.compile(r"\d{1,2} [A-Z][a-z]+ \d{4} at \d\d:\d\d(:\d\d)? UTC")
"""An instant as sentences have it."""


def zone_of_reader() -> str:
    """Return the name of the reader's zone; "" for none, and for one that there is not."""
    cookies = dict(part.strip().partition("=")[::2] for part in app.current_event.raw_event.get("cookies") or [])
    name = _chosen() or cookies.get(_COOKIE, "")
    try:
        return zone_of(name).key if name else ""
    except RefusedActError:
        return ""


def _chosen() -> str:
    return (app.current_event.query_string_parameters or {}).get(_COOKIE, "").strip()


def remember_zone(response: Response[str]) -> Response[str]:
    """Have the browser remember the zone that the query names."""
    if _chosen():
        cookie = Cookie(_COOKIE, zone_of_reader(), "/", http_only=True, max_age=_YEAR, same_site=SameSite.STRICT_MODE)
        response.cookies.append(cookie)
    return response


def beside(at: datetime) -> str:
    """Return the reader's local time of an instant, to be written after the time in UTC; "" if it is the same."""
    name = zone_of_reader()
    if name in {"", "UTC"}:
        return ""
    local, utc = at.astimezone(ZoneInfo(name)), at.astimezone(UTC)
    day = "" if local.date() == utc.date() else f" on {local:%-d %B}"
    return f" ({local:%H:%M}{day} in {name})"


def with_local_times(sentence: str) -> str:
    """Write the reader's local time beside each time of a sentence."""

    def local(match: re.Match[str]) -> str:
        form = "%d %B %Y at %H:%M:%S UTC" if match.group(1) else "%d %B %Y at %H:%M UTC"
        return match.group() + beside(datetime.strptime(match.group(), form).replace(tzinfo=UTC))

    return _WRITTEN.sub(local, sentence)

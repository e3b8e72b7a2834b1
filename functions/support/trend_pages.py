"""The console's page of trends: awards, losses and their causes by week, as charts and as the tables behind them."""

from collections import Counter
from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any, NamedTuple

from aws_lambda_powertools.event_handler import Response

from application import app
from certrules import aws
from certrules.support.trends import MOST_WEEKS, weeks_of
from pages import link, page, query
from trend_calls import SHOWN_WEEKS

WIDTH, HEIGHT = 720, 220
"""Of the chart, in its own units; a half of its height is for awards, the other for losses."""

_LEFT, _ENDS = 44, 24
_MIDDLE = HEIGHT // 2
_LONGEST = _MIDDLE - _ENDS


class Bar(NamedTuple):
    """A bar of the chart: how many in a week, and the address of the list behind it."""

    x: float
    y: float
    width: float
    height: float
    kind: str  # awarded or lost
    label: str
    address: str


class Cause(NamedTuple):
    """A cause of losses: how many in all weeks, and in each."""

    code: str
    total: int
    by_week: list[int]


@app.get("/trends", include_in_schema=False)
def trends_page() -> Response[str]:
    """Return the last weeks."""
    many = query("weeks")
    how_many = (
        min(MOST_WEEKS, max(1, int(many))) if many.isascii() and many.isdigit() and len(many) < 4 else SHOWN_WEEKS
    )
    weeks = weeks_of(aws.now(), how_many, is_fresh=query("fresh") == "1")
    return page(
        "trends.html",
        weeks=weeks,
        how_many=how_many,
        choices=(4, SHOWN_WEEKS, MOST_WEEKS),
        bars=bars_of(weeks),
        most=_most(weeks),
        causes=causes_of(weeks),
        size=(WIDTH, HEIGHT, _MIDDLE, _LEFT),
        week_link=week_link,
        uncounted=sum(week["counted_at"] is None for week in weeks),
        counted_at=min((week["counted_at"] for week in weeks if week["counted_at"]), default=None),
    )


def week_link(week: str, **filters: str) -> str:
    """Return the address of the list behind a number of a week (its Monday, UTC)."""
    following = date.fromisoformat(week) + timedelta(days=7)
    return link("/transitions", since=f"{week}T00:00", until=f"{following}T00:00", **filters)


def _most(weeks: Sequence[dict[str, Any]]) -> int:
    most: int = max(max(week["awarded"], week["lost"]) for week in weeks)
    return most


def bars_of(weeks: Sequence[dict[str, Any]]) -> list[Bar]:
    """Return the bars of weeks, the oldest on the left: awards upwards, losses downwards, in one scale."""
    most = _most(weeks) or 1
    step = (WIDTH - _LEFT) / len(weeks)
    bars = []
    for number, week in enumerate(reversed(weeks)):
        for kind, noun in (("awarded", "awards"), ("lost", "losses")):
            height = round(_LONGEST * week[kind] / most, 1)
            if week[kind]:
                height = max(1.0, height)  # a single one among thousands shows, too
                x, y = round(_LEFT + step * (number + 0.15), 1), _MIDDLE - height if kind == "awarded" else _MIDDLE
                label = f"Week of {week['week']}: {week[kind]:,} {noun}"
                bars.append(Bar(x, y, round(step * 0.7, 1), height, kind, label, week_link(week["week"], change=kind)))
    return bars


def causes_of(weeks: Sequence[dict[str, Any]]) -> list[Cause]:
    """Return the causes of losses, the most frequent first."""
    by_week = [Counter({row["value"]: row["count"] for row in week["lost_by_cause"]}) for week in weeks]
    totals: Counter[str] = sum(by_week, Counter())
    return [Cause(code, total, [counts[code] for counts in by_week]) for code, total in totals.most_common()]

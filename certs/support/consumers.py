"""The command for who takes status changes, and whether they arrive."""

from collections.abc import Iterator
from typing import Any

import click

from certs.options import examples
from certs.support.api import Api
from certs.support.common import json_option, short, show, stack_option, table

MOST_DAYS = 7


@click.command(epilog=examples("certs consumers", "certs consumers --days 7 --json"))
@click.option("--days", type=click.IntRange(1, MOST_DAYS), default=1, show_default=True, help="How far to look back.")
@stack_option
@json_option
def consumers(*, days: int, stack: str | None, as_json: bool) -> None:
    """Show who takes status changes, and whether they arrive.

    For each consumer what was sent, failed and waits, and since when; and what can't be known of them.
    """
    found = Api(stack).get("/v1/consumers", days=days)

    def human() -> None:
        click.echo(f"The bus took {found['published']} events since {short(found['since'])}.\n")
        heads = ("consumer", "sent", "again", "failed", "since", "dead letters", "waits", "oldest", "where")
        table(heads, (row for one in found["consumers"] for row in _rows(one)), "Nobody takes status changes.")
        more = f"{found['left']} more are not listed. " if found["left"] else ""
        click.echo(f"\n{more}Undelivered: {found['undelivered']}, of which {found['looked_at']} were looked at.")
        if service := found["credentials"]:
            waits = f"{service['waits']}{' or more' if service['more'] else ''}"
            counts = f"acknowledged {service['acknowledged']}, refused {service['refused']}, waiting {waits}"
            click.echo(f"The Credentials service: {counts}{', does not answer' if service['is_broken'] else ''}.")
        for sentence in found["unknown"]:
            click.echo(f"Not known here: {sentence}")

    show(found, as_json, human)


def _rows(one: dict[str, Any]) -> Iterator[tuple[object, ...]]:
    """Yield a row for each target of a consumer, the first of which has its counts."""
    name = one["rule"] if one["is_on"] else f"{one['rule']} (off)"
    first = (name, one["sent"], one["retried"], one["failed"], short(one["failing_since"]), one["dead_letters"])
    for position, target in enumerate(one["targets"] or [{"waits": None, "oldest": None, "arn": "no target"}]):
        head = first if position == 0 else ("",) * len(first)
        yield (*head, "unknown" if target["waits"] is None else target["waits"], short(target["oldest"]), target["arn"])

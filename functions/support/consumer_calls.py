"""Whether status changes arrive: the call, and the console's page, of all consumers."""

from typing import Annotated, Any

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.params import Query
from pydantic import BeforeValidator

from application import BUS, CONSUMER_DEAD_LETTERS, app
from certrules import aws
from certrules.formats.stored import as_time
from certrules.requests import RefusedActError
from certrules.support import consumers
from certrules.support.consumers import Overview
from consumer_answers import Consumers
from models import whole_number
from openapi import call
from pages import page, query

MOST_DAYS = 7

UNKNOWN = (
    "Whether a consumer read what is in its queue, and what it did with it: it takes from there without asking here.",
    "What became of an event behind another bus, a stream or an address to which a rule hands it over.",
    "Which certificates were handed over: CloudWatch counts events, about five minutes late. The case has each change.",
    "An event that a rule without dead letters could not hand over within a day: it is lost. Send it again.",
)

Days = Annotated[int, BeforeValidator(whole_number), Query(ge=1, le=MOST_DAYS, description="How far to look back.")]


@app.get("/v1/consumers", summary="Who takes status changes, and whether they arrive", **call(Consumers))
def consumers_of_the_bus(days: Days = 1) -> dict[str, Any]:
    """Return what was sent to each, failed and waits, and since when."""
    return as_json(consumers.overview(BUS, CONSUMER_DEAD_LETTERS, days, aws.now()))


@app.get("/consumers", include_in_schema=False)
def consumers_page() -> Response[str]:
    """Return the same as a page."""
    days = query("days", "1")
    if days not in {str(number) for number in range(1, MOST_DAYS + 1)}:
        raise RefusedActError(422, f"{days[:20]!r} is no number of days", f"1 to {MOST_DAYS}", "days")
    found = consumers.overview(BUS, CONSUMER_DEAD_LETTERS, int(days), aws.now())
    return page("consumers.html", found=found, days=int(days), most=MOST_DAYS, unknown=UNKNOWN)


def as_json(found: Overview) -> dict[str, Any]:
    """Return an overview as JSON has it."""
    return {
        **found._asdict(),
        "since": as_time(found.since),
        "until": as_time(found.until),
        "consumers": [
            {
                **one._asdict(),
                "event_types": list(one.event_types),
                "last_sent": as_time(one.last_sent),
                "failing_since": as_time(one.failing_since),
                "dead_since": as_time(one.dead_since),
                "targets": [{**target._asdict(), "oldest": as_time(target.oldest)} for target in one.targets],
            }
            for one in found.consumers
        ],
        "credentials": found.credentials
        and {**found.credentials._asdict(), "oldest": as_time(found.credentials.oldest)},
        "unknown": list(UNKNOWN),
    }

"""Awards and losses of all course runs by week at the API."""

from typing import Annotated, Any

from aws_lambda_powertools.event_handler.openapi.params import Query
from pydantic import BeforeValidator

from application import app
from certrules import aws
from certrules.support.trends import MOST_WEEKS, weeks_of
from models import true_or_false, whole_number
from openapi import call
from transition_answers import Weeks

SHOWN_WEEKS = 12

HowMany = Annotated[int, BeforeValidator(whole_number), Query(ge=1, le=MOST_WEEKS, description="The last so many.")]
Fresh = Annotated[
    bool,
    BeforeValidator(true_or_false),
    Query(description="Count again, whatever is remembered, as far as one call goes."),
]


@app.get("/v1/transitions/weeks", summary="Awards and losses in all course runs, by week and cause", **call(Weeks))
def transition_weeks(weeks: HowMany = SHOWN_WEEKS, *, fresh: Fresh = False) -> dict[str, Any]:
    """Return the last weeks (from Monday, UTC), newest first, from counts that are remembered for a while."""
    return {"weeks": weeks_of(aws.now(), weeks, is_fresh=fresh)}

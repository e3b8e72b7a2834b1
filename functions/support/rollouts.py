"""Rollout at the API: who decides in course runs, and changing it."""

from http import HTTPStatus
from typing import Annotated, Any, Literal

from aws_lambda_powertools.event_handler import Response, content_types
from aws_lambda_powertools.event_handler.openapi.params import Body, Path
from pydantic import AfterValidator, Field

from answers import RolledOut, Rollouts
from application import ABOUT, BUS, PAGE, actor, app, demand, known_key_of, read_cursor, write_cursor
from certrules import aws, storage
from certrules.audit import Subject
from certrules.core.terms import Rollout
from certrules.support import acts, rollouts, spellings
from models import CourseRunOrAny, Cursor, Key, Reason, RunKey, Strict
from openapi import call
from regenerations import BUCKET, course_key


class Setting(Strict):
    """Have the old logic, or this service, decide in course runs."""

    course_runs: Annotated[
        list[Annotated[RunKey, AfterValidator(course_key)]],
        Field(min_length=1, max_length=rollouts.MOST, description="The course runs' keys."),
    ]
    reason: Reason
    comparison: Annotated[
        str | None,
        Field(pattern=r"^[0-9A-Za-z_-]{1,64}$", description="For live: the comparison of them that was looked at."),
    ] = None
    accept_revocations: Annotated[
        int | None,
        Field(ge=0, le=2**53, description="For live: how many certificates it says the facts don't carry."),
    ] = None
    accept_withheld: Annotated[
        int | None,
        Field(
            ge=0, le=2**53, description="For live: how many certificates the old logic withheld, and the facts don't."
        ),
    ] = None
    accept_not_compared: Annotated[
        int | None, Field(ge=0, le=2**53, description="For live: in how many course runs there is nothing to compare.")
    ] = None


@app.get("/v1/rollout", summary="Who decides in course runs, a page at a time", **call(Rollouts, refuses=(404,)))
def rollout(course_run: CourseRunOrAny = "", cursor: Cursor = None) -> dict[str, Any]:
    """Return a page of all course runs whose configuration is known; or of one, known or not."""
    if course_run:
        return {"course_runs": rollouts.status_of([known_key_of(course_run)]), "next": None}
    found, following = storage.course_runs_page(read_cursor(cursor), PAGE)
    return {"course_runs": rollouts.status_of(found), "next": write_cursor(following)}


@app.post(
    "/v1/rollout/<setting>",
    summary="Change who decides in course runs",
    **call(RolledOut, scope="approve", status=202, refuses=(404, 409, 415)),
)
def set_rollout(
    setting: Annotated[Literal[*Rollout], Path(description="off, shadow or live")],  # type: ignore[valid-type]
    change: Annotated[Setting, Body()],
    key: Key,
) -> Response[dict[str, Any]]:
    """Send an event for each course run, once for a key; live only as a comparison has shown."""
    ABOUT["act"] = f"rollout {setting}"
    by, now = actor(), aws.now()
    course_runs = sorted(set(change.course_runs))
    ABOUT["course_run"] = course_runs[0]
    demand("approve")
    request = {"rollout": setting, **change.model_dump(mode="json")}

    def planned(event_id: str) -> tuple[Any, Any]:
        spellings.refuse_other_spelling(course_runs)
        accepted = rollouts.Accepted(
            change.accept_revocations or 0, change.accept_withheld or 0, change.accept_not_compared or 0
        )
        plan = rollouts.planned(BUCKET, Rollout(setting), course_runs, change.comparison, accepted, now)
        answer = {"rollout": setting, "course_runs": len(course_runs), "at": plan["at"]}
        return {**plan, "event_id": event_id}, answer

    done = acts.once(
        BUS,
        by,
        key,
        request,
        Subject(f"rollout {setting}", change.reason, course_runs=tuple(course_runs)),
        now=now,
        planned=planned,
        events_of=lambda plan: rollouts.events_of(plan["event_id"], plan, by, change.reason),
    )
    return Response(HTTPStatus.ACCEPTED, content_types.APPLICATION_JSON, done.answer)

"""The console's page of a learner."""

from typing import Any

from aws_lambda_powertools.event_handler import Response

from application import ABOUT, POLICIES, app, scopes
from certrules import aws
from certrules.support import cases, learners, records
from certrules.support.program_acts import PROGRAM_ACTS
from pages import number, page, query


@app.get("/learner", include_in_schema=False)
def learner_page() -> Response[str]:
    """Return a learner's course runs, programs and deliveries."""
    learner_id = number(query("learner_id"))
    ABOUT["learner_id"] = learner_id
    content: dict[str, Any] = {
        "known_as": learners.name_of(learner_id),
        "course_runs": cases.course_runs_of(learner_id),
        "record": records.programs_of(learner_id, POLICIES, aws.now(), None) if records.is_on() else None,
        "program_acts": {name: known.act for name, known in PROGRAM_ACTS.items() if known.act.scope in scopes()},
    }
    return page("learner.html", learner_id=learner_id, **content)

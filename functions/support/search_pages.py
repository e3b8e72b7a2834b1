"""The console's search: whatever a person has leads to a case, a learner, a course run or a certificate's owner."""

from aws_lambda_powertools.event_handler import Response

from application import app, found_learners, key_of, owners_of
from certrules.requests import RefusedActError
from certrules.support import learners
from pages import form, number, page, query, see


@app.get("/find", include_in_schema=False)
def find() -> Response[str]:
    """Go where the search leads: to a case, a learner, a course run, or a certificate's owner."""
    if certificate_id := query("certificate_id"):
        owners = owners_of(certificate_id)
        return page("owners.html", owners=owners) if owners[1:] else see("/case", **owners[0]._asdict())
    learner, course_run = query("learner_id"), query("course_run")
    if learner and course_run:
        return see("/case", learner_id=number(learner), course_run=key_of(course_run))
    if learner:
        return see("/learner", learner_id=number(learner))
    if course_run:
        return see("/course-run", course_run=key_of(course_run))
    raise RefusedActError(422, "nothing to look for", "give a learner id, a course run, or a certificate id")


@app.post("/find-learner", include_in_schema=False)
def find_learner() -> Response[str]:
    """Go to the learner who has a username or an e-mail; it is sent in the body, so that no address contains it."""
    person = form().get("person", "").strip()
    found = found_learners(lambda: learners.find_either(person))
    if len(found.learners) == 1 and not found.problem:
        return see("/learner", learner_id=found.learners[0].learner_id)
    return page("learners.html", found=found)

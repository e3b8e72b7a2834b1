"""Acts on the pending revocation of a program certificate. Each is an event, as on certificates in course runs."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from certrules import aws
from certrules.core.policy import Policies
from certrules.records.catalog import Catalog
from certrules.records.seen import see_learner
from certrules.requests import RefusedActError
from certrules.support.acts import Act, event_of
from certrules.support.records import demand_records

PROGRAM_ACTS: Mapping[str, Act] = {
    "release": Act("certificates.program.revocation.released.v1", "revocation", "Release the revocation", "revoke"),
    "discard": Act("certificates.program.revocation.discarded.v1", "revocation", "Discard the revocation", "act"),
    "hold": Act("certificates.program.revocation.held.v1", "revocation", "Hold the revocation", "act"),
}


def plan_program_act(
    act: str, learner_id: int, program: str, *, by: str, reason: str, event_id: str, now: datetime, policies: Policies
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the event that is the act, as of now (UTC), and the answer. Raises RefusedActError if nothing pends."""
    demand_records()
    explained = see_learner(learner_id, Catalog(aws.now)).explained(policies, now)
    found = next((item for item in explained if item.program == program), None)
    if found is None:
        raise RefusedActError(404, "the learner has nothing in this program", "compare both with the list", "program")
    if found.pending is None:
        raise RefusedActError(409, "no revocation is pending", "look at the program again: it may be decided already")
    cause = found.pending.cause
    data = {"learner_id": learner_id, "program": program, "cause": cause, "by": by, "notes": reason}
    detail = event_of(PROGRAM_ACTS[act].event_type, PROGRAM_ACTS[act].key, data, event_id, now)
    return detail, {"event_id": event_id, "at": detail["metadata"]["time"], "title": found.title, "cause": cause}

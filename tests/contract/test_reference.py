"""What the generated tables of the docs are made of is whole, and the examples there are true."""

import json
import re
from pathlib import Path

from certrules.core.policy import read_overrides, read_policies
from certrules.core.terms import Cause, Status
from certrules.formats.event_types import EVENT_TYPES
from certrules.formats.refusals import Reason
from certs import reference

DOCS = Path(__file__).resolve().parents[2] / "docs"


def test_every_reason_status_and_cause_has_its_meaning() -> None:
    assert set(reference.REFUSALS) == set(Reason)
    assert set(reference.CAUSES) == set(Cause)
    assert set(reference.STATUSES) == {
        Status.DOWNLOADABLE,
        Status.NOTPASSING,
        Status.UNAVAILABLE,
        Status.UNVERIFIED,
    }


def test_every_type_of_event_names_its_learner_course_run_or_program_among_its_fields() -> None:
    for event_type in EVENT_TYPES.values():
        paths = {field.path for field in reference.fields_of(event_type) if field.required}
        assert any(path.endswith(("user.id", "user_id", "learner_id", "course_key", "program.uuid")) for path in paths)


def test_the_policy_in_the_docs_is_one() -> None:
    (example,) = re.findall(r"```json\n(.*?)```", (DOCS / "rules.md").read_text(), re.DOTALL)
    policy = json.loads(example)
    assert [version.version for _, version in read_policies(policy)] == [policy["version"]]
    since = {"since": "2026-01-31T00:00:00Z"}
    later = {"since": "2026-02-28T00:00:00Z", "preset": "open-edx"}
    assert len(read_policies([policy | since, later])) == 2
    del policy["version"], policy["web_certificates"]
    assert read_overrides(policy) is not None

"""Who may send which event: every type of event, from every kind of sender."""

import json
from datetime import datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from certrules.core.fact_types import Fact
from certrules.formats.event_types import EVENT_TYPES
from certrules.formats.events_in import decode
from certrules.formats.events_out import EVENTS_OUT
from certrules.formats.messages import OWN_SOURCE, SUPPORT_SOURCE, Message
from certrules.formats.program_events import PROGRAM_EVENTS
from certrules.formats.refusals import Reason, RefusedError
from certrules.formats.senders import TrustedSenders
from tests.scenes.story_of_samples import REPORTED_BY, delivered, name, story

HERE, LMS_ACCOUNT, ELSEWHERE = "123456789012", "210987654321", "999999999999"
TRUSTED = TrustedSenders(("openedx/*", "exams"), ("openedx/lms/web",), HERE, frozenset({HERE, LMS_ACCOUNT}))
STORY = {detail["metadata"]["event_type"]: detail for detail in story()}
ACTS = [event_type for event_type, row in EVENT_TYPES.items() if row.is_act]
CONFIGURED = "certificates.course_run.configured.v1"
FACTS = [event_type for event_type in EVENT_TYPES if event_type not in {*ACTS, CONFIGURED}]
FORGED = ("evil", "OpenEdX/lms/web", "openedx", "exams/x", " openedx/lms/web", f"{OWN_SOURCE}-2", OWN_SOURCE.title())


def event_of(event_type: str, source: str, account: str = HERE, claimed: str | None = None) -> dict[str, Any]:
    """Return an event as the bus brings it from a sender; `claimed` is the source in its metadata, if another."""
    envelope = delivered(STORY[event_type])
    envelope["detail"]["metadata"]["source"] = source if claimed is None else claimed
    return envelope | {"source": source, "account": account}


def read(event: dict[str, Any], at: datetime = REPORTED_BY) -> Message | None:
    return decode(json.dumps(event), at, TRUSTED)


def refusal_of(event: dict[str, Any]) -> RefusedError:
    with pytest.raises(RefusedError) as raised:
        read(event)
    assert raised.value.reason is Reason.SOURCE_NOT_TRUSTED
    return raised.value


def test_the_acts_are_those_of_people() -> None:
    kinds = {"allowlist", "invalidation", "date_override", "revocation", "automatic_revocations", "generation"}
    acts = {event_type for event_type in EVENT_TYPES if event_type.split(".")[1] in kinds}
    assert set(ACTS) == acts | {"certificates.learner.erased.v1", *(row.name for row in PROGRAM_EVENTS)}


@pytest.mark.parametrize("event_type", EVENT_TYPES)
def test_a_source_of_the_platform_that_may_act_sends_every_event(event_type: str) -> None:
    alone = decode(json.dumps(event_of(event_type, "openedx/lms/web")), REPORTED_BY)
    assert alone is not None
    for account in (HERE, LMS_ACCOUNT):
        assert read(event_of(event_type, "openedx/lms/web", account)) == alone
    bare = read(STORY[event_type])
    assert bare is not None
    assert bare._replace(sent_at=alone.sent_at) == alone


@pytest.mark.parametrize("event_type", EVENT_TYPES)
def test_an_event_of_a_source_that_nobody_named_is_refused(event_type: str) -> None:
    for source in FORGED:
        refusal = refusal_of(event_of(event_type, source, claimed="openedx/lms/web"))
        assert refusal.as_json() == {
            "reason": "source_not_trusted",
            "field": "source",
            "fix": refusal.fix,
            "source": source,
            "account": HERE,
        }
        assert "PlatformSources" in refusal.fix
        assert source not in refusal.fix.split()
        bare = event_of(event_type, source)["detail"]
        assert (refusal_of(bare).field, refusal_of(bare).as_json()["source"]) == ("metadata.source", source)


@given(st.sampled_from([*EVENT_TYPES]), st.text(max_size=40))
def test_no_other_text_is_a_source_of_the_platform(event_type: str, source: str) -> None:
    named = source.startswith("openedx/") or source == "exams"
    if not named and source != OWN_SOURCE:
        refusal_of(event_of(event_type, source, claimed="openedx/lms/web"))


@pytest.mark.parametrize("event_type", EVENT_TYPES)
def test_an_event_of_another_account_is_refused(event_type: str) -> None:
    for source in ("openedx/lms/web", "exams"):
        refusal = refusal_of(event_of(event_type, source, ELSEWHERE))
        assert (refusal.field, refusal.as_json()["account"]) == ("account", ELSEWHERE)
        assert "PlatformAccounts" in refusal.fix


@pytest.mark.parametrize("event_type", ACTS)
@pytest.mark.parametrize("source", ["openedx/cms/web", "exams"])
def test_an_act_of_a_source_that_may_not_act_is_refused(event_type: str, source: str) -> None:
    refusal = refusal_of(event_of(event_type, source))
    assert (refusal.field, refusal.as_json()["source"]) == ("source", source)
    assert "ActingSources" in refusal.fix


@pytest.mark.parametrize("event_type", FACTS)
def test_a_fact_of_any_source_of_the_platform_is_read_and_its_actor_is_not_believed(event_type: str) -> None:
    believed, read_here = read(event_of(event_type, "openedx/lms/web")), read(event_of(event_type, "exams"))
    assert believed is not None
    assert read_here is not None
    facts = [entry for entry in read_here.entries if entry.fact is not Fact.IGNORED_FIELD]
    assert facts == [entry._replace(by="") for entry in believed.entries]
    ignored = [entry.subject for entry in read_here.entries if entry.fact is Fact.IGNORED_FIELD]
    assert ignored == [f"{EVENT_TYPES[event_type].key}.by" for entry in believed.entries[:1] if entry.by]


@pytest.mark.parametrize("field", ["policy", "rollout"])
def test_who_may_not_act_configures_a_course_run_but_neither_its_policy_nor_its_rollout(field: str) -> None:
    event = event_of(CONFIGURED, "openedx/cms/web")
    settings = event["detail"]["course_run"]
    for other in {"policy", "rollout"} - {field}:
        del settings[other]
    refusal = refusal_of(event)
    assert refusal.field == f"course_run.{field}"
    del settings[field]
    settings["by"] = "dean"
    message = read(event)
    assert message is not None
    assert {entry.by for entry in message.entries} == {""}
    assert "course_run.by" in {entry.subject for entry in message.entries}


@pytest.mark.parametrize("event_type", EVENT_TYPES)
def test_supports_source_sends_acts_and_configurations_over_the_bus_of_this_account_alone(event_type: str) -> None:
    event = event_of(event_type, SUPPORT_SOURCE)
    if event_type in FACTS:
        assert refusal_of(event).field == "source"
    else:
        assert read(event) == decode(json.dumps(event), REPORTED_BY)
    refusal_of(event_of(event_type, SUPPORT_SOURCE, LMS_ACCOUNT))
    refusal_of(event["detail"])


@pytest.mark.parametrize("event_type", EVENT_TYPES)
def test_functions_request_decisions_on_the_queue_and_nothing_else(event_type: str) -> None:
    event = event_of(event_type, f"{OWN_SOURCE}/sweep")
    refusal_of(event)
    if event_type == "certificates.generation.requested.v1":
        assert read(event["detail"]) is not None
    else:
        assert refusal_of(event["detail"]).field == "metadata.source"


@pytest.mark.parametrize("event_type", EVENT_TYPES)
@pytest.mark.parametrize("own", [OWN_SOURCE, SUPPORT_SOURCE, f"{OWN_SOURCE}/sweep"])
def test_an_event_that_pretends_to_be_of_this_service_is_refused_whoever_reads_it(event_type: str, own: str) -> None:
    for envelope, claimed, field in (("openedx/lms/web", own, "metadata.source"), (own, "openedx/lms/web", "source")):
        event = event_of(event_type, envelope, claimed=claimed)
        refusal = refusal_of(event)
        assert (refusal.field, refusal.as_json()["source"]) == (field, envelope)
        with pytest.raises(RefusedError, match="source_not_trusted"):
            decode(json.dumps(event), REPORTED_BY)


@pytest.mark.parametrize("event_type", EVENT_TYPES)
def test_what_this_service_publishes_is_ignored_and_nothing_else_of_its_source(event_type: str) -> None:
    event = event_of(event_type, OWN_SOURCE)
    if event_type in EVENTS_OUT:
        assert read(event) is read(event["detail"]) is None
    else:
        assert refusal_of(event).field == "source"
        assert refusal_of(event["detail"]).field == "metadata.source"


@pytest.mark.parametrize("account", [7, ["123456789012"], {}, None, True])
def test_an_account_that_is_none_is_refused(account: object) -> None:
    event = event_of("org.openedx.learning.course.passing.status.updated.v1", "openedx/lms/web") | {"account": account}
    with pytest.raises(RefusedError, match="account"):
        read(event)


def test_every_sample_is_of_the_platform() -> None:
    assert {name(detail) for detail in story() if read(delivered(detail)) is None} == set()

import csv
import json
from collections import Counter
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from certrules.formats.event_types import EVENT_TYPES
from certrules.formats.events_in import decode
from certrules.formats.messages import Message
from certrules.formats.refusals import Reason, RefusedError
from certs.sources import storylines
from certs.sources.course_run import COURSE_RUN, history
from certs.sources.event_builders import Detail
from certs.sources.storylines import HISTORY_END

EDX = "org.openedx.learning."


@pytest.fixture(scope="module")
def delivered() -> list[Detail]:
    return list(history())


@pytest.fixture(scope="module")
def messages(delivered: list[Detail]) -> list[Message]:
    return taken_in(delivered)[0]


def taken_in(details: list[Detail]) -> tuple[list[Message], list[Reason]]:
    """What the service reads of the events, and why it refuses the rest."""
    messages, refusals = [], []
    for detail in details:
        try:
            message = decode(json.dumps(detail), received_at=HISTORY_END)
        except RefusedError as refusal:
            refusals.append(refusal.reason)
        else:
            assert message is not None
            messages.append(message)
    return messages, refusals


def learners_of(details: list[Detail], event_type: str, **values: object) -> set[int]:
    """The learners of whom an event of this type has all this data."""
    key = EVENT_TYPES[event_type].key
    return {
        learner_id(detail[key])
        for detail in details
        if detail["metadata"]["event_type"] == event_type and key in detail and values.items() <= detail[key].items()
    }


def learner_id(content: dict[str, Any]) -> int:
    user = content.get("user") or content.get("student_user") or {}
    return int(user.get("id") or content.get("learner_id") or content["user_id"])


def test_the_same_seed_gives_the_same_history_and_another_seed_another(delivered: list[Detail]) -> None:
    assert delivered == list(history())
    assert list(history(20)) != list(history(20, seed=7))


def test_a_learner_has_the_same_history_among_few_and_among_many() -> None:
    def about_the_first_twenty(details: list[Detail]) -> list[Message]:
        messages, _ = taken_in(details)
        return [message for message in messages if message.learner_id and 1 < message.learner_id <= 20]

    assert about_the_first_twenty(list(history(20))) == about_the_first_twenty(list(history(60)))


def test_nothing_is_dated_after_the_end_of_the_history(messages: list[Message]) -> None:
    assert max(message.at for message in messages) <= HISTORY_END < datetime.now(UTC)


def test_everyone_enrolls(messages: list[Message]) -> None:
    enrolled = {m.learner_id for m in messages if m.event_type == f"{EDX}course.enrollment.created.v1"}
    assert enrolled == set(range(1, 1001))


def test_every_fact_occurs_but_those_of_the_old_logic_and_of_people(messages: list[Message]) -> None:
    unreceived = {f"{EDX}certificate.changed.v1", f"{EDX}certificate.revoked.v1"}
    decided = {name for name in EVENT_TYPES if "revocation" in name}  # of what was pending, no event came
    of_other_kinds = {name for name in EVENT_TYPES if "id_verification" in name}  # here all verify by the platform
    renamed = {name for name in EVENT_TYPES if "renamed" in name}
    of_programs = {name for name in EVENT_TYPES if ".program." in name}  # made-up learners are in no program
    expected = set(EVENT_TYPES) - unreceived - decided - of_other_kinds - renamed - of_programs
    assert {message.event_type for message in messages} == expected


def test_some_events_are_delivered_twice_and_some_out_of_order(messages: list[Message]) -> None:
    repeated = len(messages) - len({message.event_id for message in messages})
    backwards = sum(after.at < before.at for before, after in pairwise(messages))
    days_late = sum((before.at - after.at).days >= 1 for before, after in pairwise(messages))
    assert 0.02 < repeated / len(messages) < 0.04
    assert backwards > 200
    assert days_late > 50


def test_a_repeated_event_is_the_same_event(delivered: list[Detail]) -> None:
    first: dict[str, Detail] = {}
    for detail in delivered:
        assert detail == first.setdefault(detail["metadata"]["id"], detail)


def test_one_event_of_each_broken_kind_is_refused(delivered: list[Detail]) -> None:
    _, refusals = taken_in(delivered)
    assert set(refusals) == {
        Reason.UNKNOWN_TYPE,
        Reason.UNKNOWN_VERSION,
        Reason.NAIVE_TIME,
        Reason.MISSING_FIELD,
        Reason.WRONG_TYPE,
        Reason.BAD_COURSE_KEY,
    }
    assert len(refusals) < 10


def test_another_course_run_is_the_same_one_by_another_name() -> None:
    other = "course-v1:OtherX+BIO+2026"
    renamed = json.dumps(list(history(30))).replace("DemoX+CS101+2026_T1", "OtherX+BIO+2026")
    assert json.loads(renamed.replace('"DemoX"', '"OtherX"')) == list(history(30, course_run=other))


def test_passing_statuses_repeat_fall_and_recover(messages: list[Message]) -> None:
    phrases: dict[int, list[tuple[datetime, bool]]] = {}
    for message in sorted(set(messages), key=lambda message: message.at):
        if message.event_type == f"{EDX}course.passing.status.updated.v1":
            assert message.learner_id is not None
            phrases.setdefault(message.learner_id, []).append((message.at, message.entries[0].value))
    steps = Counter((before, after) for line in phrases.values() for (_, before), (_, after) in pairwise(line))
    assert steps[False, False] > 500
    assert steps[True, True] > 20
    fell = [line for line in phrases.values() if any(b and not a for (_, b), (_, a) in pairwise(line))]
    stayed = [line for line in fell if not line[-1][1]]
    brief = [line for line in fell if line[-1][1] and (line[-1][0] - line[-2][0]).total_seconds() < 3600]
    assert stayed
    assert brief
    assert len(fell) > len(stayed) + len(brief)  # and some were failing for days


def test_id_verifications_expire_during_the_run_and_some_are_renewed(messages: list[Message]) -> None:
    approvals: dict[int, list[datetime]] = {}
    for message in set(messages):
        if message.event_type == f"{EDX}idv_attempt.approved.v1":
            assert message.learner_id is not None
            approvals.setdefault(message.learner_id, []).append(message.entries[0].value.expires_at)
    expired = [line for line in approvals.values() if min(line) < storylines.RUN_ENDS]
    renewed = [line for line in expired if max(line) > storylines.RUN_ENDS]
    assert 0 < len(renewed) < len(expired) < len(approvals) / 4


def test_the_shares_are_those_of_a_run_whose_certificates_are_paid_for() -> None:
    details = list(history(4000))
    verified = learners_of(details, f"{EDX}course.enrollment.changed.v1", mode="verified")
    passed = learners_of(details, f"{EDX}course.passing.status.updated.v1", is_passing=True)
    identified = learners_of(details, f"{EDX}idv_attempt.approved.v1")
    assert 0.11 < len(verified) / 4000 < 0.17
    assert 0.48 < len(verified & passed) / len(verified) < 0.62
    assert len(passed - verified) / 4000 < 0.02
    assert 0.80 < len(verified & identified) / len(verified) < 0.95


def test_the_share_of_certificates_is_one_that_paid_runs_really_have(shared_data: Path) -> None:
    details = list(history(4000))
    awarded = learners_of(details, f"{EDX}course.passing.status.updated.v1", is_passing=True) & learners_of(
        details, f"{EDX}idv_attempt.approved.v1"
    )
    with (shared_data / "hxmitx-aggregates" / "harvardx_mitx_290_course_runs_2012-2016.csv").open() as file:
        paid = [float(row["% Certified"]) for row in csv.DictReader(file) if row["Honor Code Certificates"] == "0"]
    assert min(paid) < 100 * len(awarded) / 4000 < max(paid)


def test_the_course_run_is_named_by_every_event_that_has_one(messages: list[Message]) -> None:
    assert {message.course_run for message in messages} == {
        COURSE_RUN,
        None,
        "ccx-v1:DemoX+CS101+2026_T1+ccx@1",
    }

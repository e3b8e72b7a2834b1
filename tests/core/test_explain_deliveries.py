"""How far a delivery is, for people: in the learner's record since when, or what it waits for and what to do."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from certrules.core.deliveries.delivery import Delivery, answered, first_wanted, leased, lost, wanted
from certrules.core.deliveries.desired import (
    Availability,
    CourseCredential,
    Desired,
    Grade,
    Kind,
    ProgramCredential,
    Target,
    Username,
)
from certrules.core.deliveries.outcomes import REASONS, Acknowledged, Outcome, RecordWarning, Unacknowledged, Waiting
from certrules.core.explain.deliveries import delivery_state
from certrules.core.explain.rendering import as_json

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
RUN = "course-v1:DemoX+A+2025"
TARGET = Target(Kind.COURSE, 7, RUN)
AWARDED = CourseCredential(is_awarded=True, mode="verified")
NEW = first_wanted(TARGET, AWARDED, 1, NOON)


def after(outcome: Outcome, delivery: Delivery = NEW) -> Delivery:
    """Return a delivery whose request had this outcome a minute later."""
    sent = leased(delivery, "holder", NOON)
    assert sent is not None
    return answered(sent, "holder", outcome, NOON + MINUTE, 1.0)


def test_a_delivered_credential_is_in_the_record_since_it_was_acknowledged() -> None:
    found = delivery_state(after(Acknowledged("uuid-1")))
    assert found.sentence == (
        "In the learner's record: awarded as verified. "
        "Wanted since 1 June 2026 at 12:00 UTC, acknowledged on 1 June 2026 at 12:01 UTC."
    )
    assert as_json(found) == {
        "kind": "course",
        "key": RUN,
        "is_delivered": True,
        "sentence": found.sentence,
        "wanted_at": "2026-06-01T12:00:00Z",
        "acknowledged_at": "2026-06-01T12:01:00Z",
        "reason": None,
        "remedy": "",
        "detail": "",
        "next_try_at": None,
        "tries": 0,
        "uuid": "uuid-1",
        "warning": "",
    }


def test_a_new_delivery_is_sent_soon_and_a_leased_one_is_being_sent() -> None:
    begins = "Not in the learner's record yet: awarded as verified, wanted since 1 June 2026 at 12:00 UTC."
    assert delivery_state(NEW).sentence == f"{begins} It is sent within a minute or two."
    sent = leased(NEW, "holder", NOON)
    assert sent is not None
    assert delivery_state(sent).sentence == f"{begins} It is being sent."


@pytest.mark.parametrize("reason", [Waiting.NOT_IN_CATALOG, Waiting.UNAVAILABLE])
def test_a_waiting_delivery_names_its_reason_what_to_do_and_its_next_try(reason: Waiting) -> None:
    found = delivery_state(after(Unacknowledged(reason, "course_run")))
    assert f"Waiting because: {REASONS[reason].meaning} Next try: 1 June 2026 at " in found.sentence
    assert (found.reason, found.remedy, found.tries) == (reason, REASONS[reason].remedy, 1)
    assert (found.detail, found.is_delivered, found.acknowledged_at) == ("course_run", False, None)


def test_what_waits_for_a_person_has_no_next_try() -> None:
    found = delivery_state(after(Unacknowledged(Waiting.REFUSED_MODE)))
    assert found.sentence.endswith("It is tried again after a change, or when a person retries it.")
    assert found.next_try_at is None


def test_while_a_change_waits_the_record_has_what_was_acknowledged() -> None:
    delivered = after(Acknowledged())
    revoked = wanted(delivered, CourseCredential(is_awarded=False, mode="verified"), 2, NOON + 5 * MINUTE)
    assert delivery_state(revoked).sentence == (
        "Not in the learner's record yet: revoked as verified, wanted since 1 June 2026 at 12:05 UTC. "
        "The record has: awarded as verified, acknowledged on 1 June 2026 at 12:01 UTC. "
        "It is sent within a minute or two."
    )
    assert "The record has" not in delivery_state(lost(delivered, NOON + 5 * MINUTE)).sentence


@pytest.mark.parametrize(
    ("desired", "text"),
    [
        (
            CourseCredential(is_awarded=True, mode="honor", date_override=NOON),
            "as honor, dated 1 June 2026 at 12:00 UTC",
        ),
        (ProgramCredential(is_awarded=True), "awarded,"),
        (Grade(percent=0.91235, letter="Pass"), "a grade of 91.24% (Pass)"),
        (Grade(percent=0.5), "a grade of 50.00%,"),
        (Availability(mode="verified", date=None), "shown at once"),
        (Availability(mode="verified", date=NOON), "shown from 1 June 2026 at 12:00 UTC on"),
    ],
)
def test_each_kind_is_written_in_words(desired: Desired, text: str) -> None:
    assert text in delivery_state(first_wanted(TARGET, desired, 1, NOON)).sentence


def test_a_username_is_that_of_the_record_and_a_change_of_it_waits() -> None:
    target = Target(Kind.USERNAME, 7)
    first = first_wanted(target, Username(name="ada"), 1, NOON)
    assert delivery_state(first).sentence == "The learner's record is that of ada, as of 1 June 2026 at 12:00 UTC."
    renamed = wanted(first, Username(name="ada2"), 2, NOON)
    assert "the username ada2, wanted since" in delivery_state(renamed).sentence


@pytest.mark.parametrize("warning", RecordWarning)
def test_every_warning_is_a_sentence(warning: RecordWarning) -> None:
    assert delivery_state(replace(after(Acknowledged()), warning=warning)).warning.endswith(".")

"""ID verifications that the platform has no public event for: each kind of attempt has its own numbers."""

import json
from datetime import UTC, datetime, timedelta
from itertools import permutations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from certrules.core.fact_types import Approval, Fact
from certrules.core.facts import Record
from certrules.core.policy import DEFAULT, undated
from certrules.core.replay import replay
from certrules.core.timeline import Entry, merge
from certrules.formats.events_in import decode
from certrules.formats.record_as_events import events_from
from certrules.formats.refusals import RefusedError
from tests.scenes.openedx import READ_AT

AT = datetime(2026, 1, 6, tzinfo=UTC)
LEARNER = 7


def own(outcome: str, day: int, **content: Any) -> dict[str, Any]:
    """Return one of our events, of the manual attempt 5 unless another is named."""
    event_type = f"certificates.id_verification.{outcome}.v1"
    metadata = {"id": f"{outcome}-{day}", "event_type": event_type, "time": (AT + timedelta(day)).isoformat()}
    return {
        "metadata": metadata,
        "id_verification": {"learner_id": LEARNER, "kind": "manual", "attempt": "5"} | content,
    }


def platform(outcome: str, day: int) -> dict[str, Any]:
    """Return an event of the platform, of its attempt 5."""
    event_type = f"org.openedx.learning.idv_attempt.{outcome}.v1"
    metadata = {"id": f"platform-{outcome}-{day}", "event_type": event_type, "time": (AT + timedelta(day)).isoformat()}
    return {"metadata": metadata, "idv_attempt": {"attempt_id": 5, "user": {"id": LEARNER}}}


def entries(*events: dict[str, Any]) -> tuple[Entry, ...]:
    messages = [decode(json.dumps(event), READ_AT) for event in events]
    return merge((), [entry for message in messages if message is not None for entry in message.entries])


def is_verified(day: int, *events: dict[str, Any]) -> bool:
    record = Record(LEARNER, "course-v1:A+B+C", entries(*events))
    return replay(record, undated(DEFAULT), AT + timedelta(day)).decision.facts.id_verified


@pytest.mark.parametrize("kind", ["manual", "sso", "photo"])
def test_attempts_of_two_kinds_with_one_number_stand_apart(kind: str) -> None:
    events = (platform("approved", 0), own("approved", 1, kind=kind), own("denied", 2, kind=kind))
    for delivered in permutations(events):
        assert is_verified(3, *delivered)
    for delivered in permutations((own("approved", 0, kind=kind), platform("approved", 1), platform("denied", 2))):
        assert is_verified(3, *delivered)


def test_a_denial_ends_its_own_attempt() -> None:
    assert is_verified(1, own("approved", 0))
    assert not is_verified(2, own("approved", 0), own("denied", 2))
    assert is_verified(2, own("approved", 0), own("denied", 2, attempt="6"))


def test_an_approval_counts_up_to_its_end() -> None:
    ends = own("approved", 0, expiration_date=(AT + timedelta(10)).isoformat())
    assert (is_verified(9, ends), is_verified(10, ends)) == (True, False)


@pytest.mark.parametrize("attempt", [5, "5", " 5 "])
def test_an_attempt_is_the_same_as_number_and_as_text(attempt: object) -> None:
    assert [entry.subject for entry in entries(own("approved", 0, attempt=attempt))] == ["manual:5"]


def test_who_approved_it_and_why_is_stored() -> None:
    (entry,) = entries(own("approved", 0, by="ada", notes="Passport seen."))
    assert (entry.subject, entry.by, entry.notes, entry.value) == ("manual:5", "ada", "Passport seen.", Approval(None))


@pytest.mark.parametrize("kind", ["", " ", "5", "5a", "Manual", "a:b", "a b", "x" * 65, None, 5])
def test_a_kind_is_a_plain_word_for_a_number_would_be_an_attempt_of_the_platform(kind: object) -> None:
    with pytest.raises(RefusedError) as refusal:
        entries(own("approved", 0, kind=kind))
    assert refusal.value.field == "id_verification.kind"


@given(
    st.from_regex(r"[a-z][a-z0-9_-]{0,20}", fullmatch=True),
    st.text(st.characters(exclude_categories=["C", "Z"]), max_size=20),
    st.none() | st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001
)
def test_what_is_exported_is_read_as_it_was(kind: str, attempt: str, expires: datetime | None) -> None:
    subject = f"{kind}:{attempt}" if attempt else kind
    reported = tuple(
        Entry(AT + timedelta(day), f"e{day}", Fact.ID_VERIFICATION, subject, value, "ada", "Seen.")
        for day, value in enumerate([Approval(expires), None])
    )
    assert entries(*events_from(Record(LEARNER, "course-v1:A+B+C", reported))) == reported

"""What this service published stays, whatever the old logic records, and however the course run is rolled out."""

from datetime import datetime, timedelta

import pytest

from certrules.core.comparison import Kind
from certrules.core.deciding import in_order_of_sending
from certrules.core.explain.explanation import explain
from certrules.core.fact_types import AFTER_PUBLICATION, Fact, Recorded
from certrules.core.facts import Record
from certrules.core.instants import BEGINNING
from certrules.core.terms import Cause, RevocationAction, Rollout, Status
from certrules.core.timeline import Entry
from tests.scenes.records_between_decisions import (
    DAY,
    ENROLLED,
    FIRST,
    POLICIES,
    RUN,
    VERIFIED,
    RecordBetweenDecisions,
)

AWARDED, PUBLISHED = FIRST + 2 * DAY, FIRST + 4 * DAY
THEIR_DATE = FIRST - 300 * DAY


def passing(at: datetime = AWARDED) -> Entry:
    return Entry(at, f"passing-{at}", Fact.PASSING, "", True)


def recorded(at: datetime, status: Status = Status.DOWNLOADABLE, certificate_id: str = "theirs") -> Entry:
    value = Recorded(status, "honor", "0.5", certificate_id, THEIR_DATE, THEIR_DATE)
    return Entry(at, f"recorded-{at}-{status}", Fact.RECORDED, "", value)


def awarded() -> RecordBetweenDecisions:
    """Return a record whose certificate this service published two days after it was earned."""
    record = RecordBetweenDecisions()
    record.receive([ENROLLED, passing()], PUBLISHED)
    assert record.published.published_at == PUBLISHED
    return record


@pytest.mark.parametrize("status", [Status.DOWNLOADABLE, Status.NOTPASSING, Status.UNAVAILABLE, Status.ERROR])
@pytest.mark.parametrize("day", [1, 2, 3, 4, 9])
def test_a_record_over_a_published_certificate_changes_nothing_and_is_compared(status: Status, day: int) -> None:
    record = awarded()
    before = record.published

    decided = record.receive([recorded(FIRST + day * DAY, status)], FIRST + 10 * DAY)

    assert (decided.publication.published, decided.publication.new_transitions) == (before, ())
    assert decided.compared().kind is not Kind.AGREE
    assert [entry.subject for entry in record.timeline if entry.fact is Fact.RECORDED] == [AFTER_PUBLICATION]


def test_a_record_that_comes_twice_is_stored_once() -> None:
    record = awarded()
    record.receive([recorded(FIRST + DAY)], FIRST + 10 * DAY)
    before = record.timeline
    record.receive([recorded(FIRST + DAY)], FIRST + 20 * DAY)
    assert record.timeline == before

    other = RecordBetweenDecisions()
    other.receive([recorded(FIRST + DAY)], FIRST + 2 * DAY)
    other.receive([ENROLLED, passing()], FIRST + 9 * DAY)
    before = other.timeline
    other.receive([recorded(FIRST + DAY)], FIRST + 20 * DAY)
    assert other.timeline == before


@pytest.mark.parametrize("status", [Status.NOTPASSING, Status.UNAVAILABLE, Status.DOWNLOADABLE])
@pytest.mark.parametrize("after_award", [timedelta(hours=1), DAY, 2 * DAY])
def test_going_back_and_live_again_keeps_what_was_published(status: Status, after_award: timedelta) -> None:
    record = awarded()
    before = record.published
    record.roll_out(Rollout.SHADOW, FIRST + 5 * DAY)
    record.receive([recorded(AWARDED + after_award, status)], FIRST + 6 * DAY)
    assert record.published == before

    record.roll_out(Rollout.LIVE, FIRST + 8 * DAY)

    assert record.published == before
    assert record.published_statuses == [Status.DOWNLOADABLE]


def test_so_does_a_record_that_was_received_before_the_publication() -> None:
    record = RecordBetweenDecisions()
    record.receive([recorded(AWARDED + DAY, Status.NOTPASSING, "")], FIRST + 3 * DAY)
    record.receive([ENROLLED, passing()], PUBLISHED)
    before = record.published
    assert before.certificate is not None
    assert before.certificate.status is Status.DOWNLOADABLE
    for day, rollout in ((5, Rollout.SHADOW), (6, Rollout.LIVE), (7, Rollout.OFF), (8, Rollout.LIVE)):
        record.roll_out(rollout, FIRST + day * DAY)
        assert record.published.certificate == before.certificate
    assert record.losses == []


def test_where_the_old_logic_decides_again_what_it_records_later_counts() -> None:
    record = awarded()
    record.roll_out(Rollout.SHADOW, FIRST + 5 * DAY)
    record.receive([recorded(FIRST + 6 * DAY, Status.UNAVAILABLE)], FIRST + 6 * DAY)
    assert record.published.certificate is not None
    assert record.published.certificate.status is Status.UNAVAILABLE
    ours = record.published.certificate.certificate_id
    assert ours != "theirs"

    record.roll_out(Rollout.LIVE, FIRST + 8 * DAY)

    assert record.published.certificate.certificate_id == ours
    assert record.losses == []


def test_a_certificate_that_was_adopted_at_going_live_keeps_its_dates() -> None:
    record = RecordBetweenDecisions()
    record.roll_out(Rollout.SHADOW, FIRST)
    record.receive([ENROLLED, passing(), recorded(AWARDED)], FIRST + 3 * DAY)
    record.roll_out(Rollout.LIVE, FIRST + 4 * DAY)
    adopted = record.published
    assert adopted.certificate is not None
    assert adopted.certificate[3:] == ("theirs", THEIR_DATE, THEIR_DATE)
    assert adopted.published_at is BEGINNING
    later = recorded(FIRST + 6 * DAY)
    later = later._replace(value=later.value._replace(modified=FIRST + 6 * DAY, grade="0.1", mode="audit"))
    record.receive([later], FIRST + 6 * DAY)
    assert record.published == adopted


def test_a_record_from_before_a_label_was_published_is_what_the_learner_has() -> None:
    record = RecordBetweenDecisions()
    audit = ENROLLED._replace(value=ENROLLED.value._replace(mode="audit"))
    assert record.receive([audit, passing()], PUBLISHED).publication.published.certificate is None
    published = record.receive([recorded(FIRST - DAY)], PUBLISHED + DAY).publication.published
    assert published.certificate is not None
    assert published.certificate.certificate_id == "theirs"
    assert published.transitions[-1].cause is Cause.RECORDED


@pytest.mark.parametrize("copies", [1, 2])
def test_messages_that_are_delivered_together_count_as_if_they_came_one_by_one(copies: int) -> None:
    one_by_one, together = RecordBetweenDecisions(), RecordBetweenDecisions()
    sent = [(PUBLISHED, (ENROLLED, passing())), *[(PUBLISHED + DAY, (recorded(PUBLISHED + DAY),))] * copies]
    for at, entries in sent:
        one_by_one.receive(entries, at)

    together.receive(in_order_of_sending(together.known(), sent), PUBLISHED + DAY)

    assert together.timeline == one_by_one.timeline
    assert together.published.certificate == one_by_one.published.certificate


def test_what_is_sent_together_is_decided_together() -> None:
    record = RecordBetweenDecisions()
    sent = [(PUBLISHED, (ENROLLED, passing())), (PUBLISHED, (recorded(FIRST + DAY),))]
    published = record.receive(in_order_of_sending(record.known(), sent), PUBLISHED).publication.published
    assert published.certificate is not None
    assert published.certificate.certificate_id == "theirs"


@pytest.mark.parametrize("act", ["invalidates", "invalidates and lifts", "releases"])
def test_what_a_person_revoked_that_the_facts_never_carried_stays_as_they_left_it(act: str) -> None:
    record = RecordBetweenDecisions()
    record.receive([ENROLLED, passing()], AWARDED)
    record.receive([Entry(FIRST + 4 * DAY, "fails", Fact.PASSING, "", False)], FIRST + 5 * DAY)
    record.receive([passing(FIRST + 6 * DAY)], FIRST + 6 * DAY)
    late = Entry(FIRST + 3 * DAY, "late", Fact.INVALIDATION, "exam", True)
    held = record.receive([late], FIRST + 8 * DAY).publication.published
    assert held.pending is not None
    assert held.pending.cause is Cause.NEVER_EARNED
    assert held.certificate is not None
    deed = Entry(FIRST + 9 * DAY, "deed", Fact.INVALIDATION, "", True, "ada")
    if act == "releases":
        deed = deed._replace(fact=Fact.REVOCATION, subject=Cause.NEVER_EARNED, value=RevocationAction.RELEASED)

    revoked = record.receive([deed], FIRST + 9 * DAY).publication.published

    assert revoked.certificate is not None
    assert (revoked.certificate.status, revoked.certificate[4:]) == (Status.UNAVAILABLE, held.certificate[4:])
    lifted = deed._replace(at=FIRST + 10 * DAY, event_id="lifted", value=False)
    for day, entries in ((10, [lifted] if act == "invalidates and lifts" else []), (20, [])):
        again = record.receive(entries, FIRST + day * DAY).publication
        assert (again.published, again.new_transitions) == (revoked, ())


def test_what_the_old_logic_ended_itself_is_not_issued_against_an_invalidation() -> None:
    record = RecordBetweenDecisions()
    record.roll_out(Rollout.SHADOW, FIRST)
    invalidated = Entry(FIRST + DAY, "invalidated", Fact.INVALIDATION, "", True, "ada")
    contradicts, ends = recorded(FIRST + 2 * DAY), recorded(FIRST + 3 * DAY, Status.UNAVAILABLE)
    record.receive([ENROLLED, passing(), invalidated, contradicts, ends], FIRST + 4 * DAY)

    live = record.roll_out(Rollout.LIVE, FIRST + 5 * DAY)

    assert live.publication.new_transitions == ()
    known = Record(7, RUN, record.timeline + VERIFIED + record.configuration)
    explained = explain(known, POLICIES, FIRST + 5 * DAY, published=record.published)
    assert explained.sentence.startswith("The certificate keeps the status unavailable that was published; ")
    lifted = record.receive([invalidated._replace(at=FIRST + 6 * DAY, event_id="l", value=False)], FIRST + 6 * DAY)
    assert [item.status for item in lifted.publication.new_transitions] == [Status.DOWNLOADABLE]


def test_an_older_record_takes_nothing_published_away_when_an_invalidation_comes_late() -> None:
    record = RecordBetweenDecisions()
    record.receive([recorded(FIRST + 2 * DAY), recorded(FIRST + 3 * DAY, Status.UNAVAILABLE), ENROLLED], PUBLISHED)
    before = record.published.certificate
    assert before is not None
    assert before.status is Status.DOWNLOADABLE

    late = Entry(FIRST + DAY, "late", Fact.INVALIDATION, "exam", True)
    held = record.receive([late], FIRST + 9 * DAY).publication

    assert (held.new_transitions, held.published.certificate) == ((), before)
    assert held.published.pending is not None
    assert held.published.pending.due is None

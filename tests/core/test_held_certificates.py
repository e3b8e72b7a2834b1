"""A certificate that late facts no longer carry stays; but a person who invalidates it acts at once."""

from datetime import UTC, datetime, timedelta

import pytest

from certrules.core.certificate import Outcome
from certrules.core.fact_types import Approval, Enrollment, Fact, Recorded
from certrules.core.facts import Record
from certrules.core.guard import Publication, PublishedCertificate, automatic_revocation, hold_entry, next_publication
from certrules.core.policy import PRESETS, Policies, undated
from certrules.core.replay import replay
from certrules.core.terms import PERSON, Actor, Cause, RevocationAction, Status
from certrules.core.timeline import Entry, Timeline, merge

START = datetime(2026, 3, 1, tzinfo=UTC)
POLICIES = undated(PRESETS["open-edx"])


def _stated(hour: int, fact: Fact, value: object, subject: str = "", by: str = "", notes: str = "") -> Entry:
    return Entry(START + timedelta(hours=hour), f"{fact}-{hour}", fact, subject, value, by, notes)


AWARDED = merge(
    (),
    [
        _stated(0, Fact.COURSE_RUN, value=True),
        _stated(1, Fact.ENROLLMENT, Enrollment("verified", active=True)),
        _stated(3, Fact.PASSING, value=True),
    ],
)
NEVER_EARNED = merge(AWARDED, [_stated(2, Fact.ENROLLMENT, Enrollment("audit", active=True))])


def _settled(before: PublishedCertificate, timeline: Timeline, hour: int, policies: Policies = POLICIES) -> Publication:
    record = Record(42, "course-v1:DemoX+CS101+2026_T1", timeline)
    outcome = replay(record, policies, START + timedelta(hours=hour))
    return next_publication(before, outcome, "c1", timeline=timeline)


def test_late_facts_hold_it_and_a_persons_invalidation_then_takes_it_away_at_once() -> None:
    awarded = _settled(PublishedCertificate(), AWARDED, 4).published
    held = _settled(awarded, NEVER_EARNED, 5)
    assert held.retained
    assert held.published.pending is not None
    assert held.published.pending.cause is Cause.NEVER_EARNED
    invalidated = merge(
        NEVER_EARNED, [_stated(6, Fact.INVALIDATION, True, PERSON, "integrity-desk-1", "shared account")]
    )
    revoked = _settled(held.published, invalidated, 7)
    assert [(item.previous, item.status, item.cause, item.actor) for item in revoked.new_transitions] == [
        (Status.DOWNLOADABLE, Status.UNAVAILABLE, Cause.INVALIDATED, Actor("integrity-desk-1", "shared account"))
    ]
    assert revoked.published.pending is None
    assert revoked.published.certificate is not None
    assert revoked.published.certificate.certificate_id == "c1"
    again = _settled(revoked.published, invalidated, 8)
    assert again.published == revoked.published
    assert again.new_transitions == ()


def test_an_invalidation_from_before_the_award_does_not_take_it_away() -> None:
    awarded = _settled(PublishedCertificate(), AWARDED, 4).published
    late = merge(NEVER_EARNED, [_stated(2, Fact.INVALIDATION, True, PERSON, "integrity-desk-1")])
    assert _settled(awarded, late, 5).retained


def test_what_was_issued_once_keeps_its_dates_though_the_facts_no_longer_give_any() -> None:
    strict = undated(PRESETS["edx-2021"])
    verified = merge(AWARDED, [_stated(2, Fact.ID_VERIFICATION, Approval(None), "1")])
    awarded = _settled(PublishedCertificate(), verified, 4, strict).published
    denied = merge(
        verified,
        [
            Entry(START + timedelta(hours=2), "the later id wins", Fact.ID_VERIFICATION, "1", None),
            _stated(6, Fact.INVALIDATION, True, PERSON, "integrity-desk-1"),
        ],
    )
    revoked = _settled(awarded, denied, 7, strict)
    assert [item.cause for item in revoked.new_transitions] == [Cause.INVALIDATED]
    later = _settled(revoked.published, denied, 8, strict).published
    assert awarded.certificate is not None
    assert later.certificate is not None
    assert later.certificate.status is Status.UNAVAILABLE
    assert later.certificate[3:] == awarded.certificate[3:]  # id and dates


FELL = merge(AWARDED, [_stated(5, Fact.PASSING, value=False)])
"""Pending from hour 5, due an hour later."""


def _value(hour: int, phrase: RevocationAction, cause: Cause, by: str = "ada") -> Entry:
    return _stated(hour, Fact.REVOCATION, phrase, cause, by, "looked at it")


def _at(timeline: Timeline, hour: int) -> Outcome:
    return replay(Record(42, "course-v1:DemoX+CS101+2026_T1", timeline), POLICIES, START + timedelta(hours=hour))


def test_a_revocation_that_is_held_waits_for_a_person_however_long() -> None:
    outcome = _at(merge(FELL, [_value(6, RevocationAction.HELD, Cause.GRADE_FELL, "system:breaker")]), 1000)
    assert outcome.status is Status.DOWNLOADABLE
    assert outcome.pending is not None
    assert (outcome.pending.cause, outcome.pending.due) == (Cause.GRADE_FELL, None)


def test_a_passing_grade_ends_what_is_held() -> None:
    reported = [
        _value(6, RevocationAction.HELD, Cause.GRADE_FELL, "system:breaker"),
        _stated(9, Fact.PASSING, value=True),
    ]
    assert _at(merge(FELL, reported), 10).pending is None


@pytest.mark.parametrize("held", [True, False], ids=["held", "pending"])
def test_a_person_releases_a_revocation_which_then_takes_effect_with_their_name(held: bool) -> None:
    reported = [_value(6, RevocationAction.HELD, Cause.GRADE_FELL, "system:breaker")] if held else []
    hour = 8 if held else 5
    timeline = merge(FELL, [*reported, _value(hour, RevocationAction.RELEASED, Cause.GRADE_FELL)])
    last = _at(timeline, 9).transitions[-1]
    assert (last.at, last.status, last.cause) == (START + timedelta(hours=hour), Status.NOTPASSING, Cause.GRADE_FELL)
    assert last.actor == Actor("ada", "looked at it")


def test_software_releases_nothing() -> None:
    reported = [
        _value(6, RevocationAction.HELD, Cause.GRADE_FELL),
        _value(8, RevocationAction.RELEASED, Cause.GRADE_FELL, "system:cleanup"),
    ]
    assert _at(merge(FELL, reported), 9).status is Status.DOWNLOADABLE


def test_a_discarded_revocation_is_forgotten_but_a_new_fall_is_a_new_one() -> None:
    discarded = merge(FELL, [_value(5, RevocationAction.DISCARDED, Cause.GRADE_FELL)])
    assert _at(discarded, 1000).status is Status.DOWNLOADABLE
    assert _at(discarded, 1000).pending is None
    again = merge(discarded, [_stated(20, Fact.PASSING, value=True), _stated(30, Fact.PASSING, value=False)])
    assert _at(again, 40).status is Status.NOTPASSING


def test_an_action_on_another_cause_or_on_nothing_pending_has_no_effect() -> None:
    for phrase in (RevocationAction.RELEASED, RevocationAction.DISCARDED):
        assert _at(merge(FELL, [_value(5, phrase, Cause.ALLOWLIST_REMOVED)]), 5).pending is not None
        assert _at(merge(AWARDED, [_value(5, phrase, Cause.GRADE_FELL)]), 9) == _at(AWARDED, 9)


def test_a_person_releases_or_discards_the_revocation_of_a_certificate_never_earned() -> None:
    awarded = _settled(PublishedCertificate(), AWARDED, 4).published
    held = _settled(awarded, NEVER_EARNED, 5).published
    released = _settled(held, merge(NEVER_EARNED, [_value(6, RevocationAction.RELEASED, Cause.NEVER_EARNED)]), 7)
    assert [(item.status, item.cause, item.actor.by) for item in released.new_transitions] == [
        (Status.UNAVAILABLE, Cause.NEVER_EARNED, "ada")
    ]
    discarded = merge(NEVER_EARNED, [_value(6, RevocationAction.DISCARDED, Cause.NEVER_EARNED)])
    stored_record = _settled(held, discarded, 7)
    assert (stored_record.new_transitions, stored_record.published.pending) == ((), None)
    assert stored_record.published.certificate == awarded.certificate
    assert _settled(stored_record.published, discarded, 8).published.pending is None
    by_software = merge(NEVER_EARNED, [_value(6, RevocationAction.RELEASED, Cause.NEVER_EARNED, "system:cleanup")])
    assert _settled(held, by_software, 7).retained


def test_only_an_automatic_revocation_can_be_stopped() -> None:
    reported = PublishedCertificate(_at(AWARDED, 4).certificate)
    revocation = automatic_revocation(reported, _at(FELL, 9).transitions)
    assert revocation is not None
    held = merge(FELL, [hold_entry(revocation, "stop", "breaker", "too many")])
    assert _at(held, 9).status is Status.DOWNLOADABLE
    assert automatic_revocation(reported, _at(held, 9).transitions) is None
    assert automatic_revocation(PublishedCertificate(), _at(FELL, 9).transitions) is None
    by_hand = merge(AWARDED, [_stated(6, Fact.INVALIDATION, True, PERSON, "ada")])
    assert automatic_revocation(reported, _at(by_hand, 9).transitions) is None
    released = merge(FELL, [_value(5, RevocationAction.RELEASED, Cause.GRADE_FELL)])
    assert automatic_revocation(reported, _at(released, 9).transitions) is None


RECORDED = Recorded(Status.DOWNLOADABLE, "verified", "0.8", "c0")
CONTRADICTION = merge(
    AWARDED[:2], [_stated(3, Fact.INVALIDATION, True, PERSON, "ada"), _stated(4, Fact.RECORDED, RECORDED)]
)
"""The old logic has it downloadable, though it was invalidated."""


def test_a_contradiction_in_what_the_old_logic_recorded_is_released_or_discarded_and_held_it_is_anyway() -> None:
    cause = Cause.RECORDED_WHILE_INVALIDATED
    pending = _at(CONTRADICTION, 9).pending
    assert pending is not None
    assert pending.cause is cause
    assert _at(merge(CONTRADICTION, [_value(6, RevocationAction.HELD, cause)]), 9).pending == pending
    released = _at(merge(CONTRADICTION, [_value(6, RevocationAction.RELEASED, cause)]), 9)
    assert (released.status, released.transitions[-1].cause) == (Status.UNAVAILABLE, cause)
    discarded = _at(merge(CONTRADICTION, [_value(6, RevocationAction.DISCARDED, cause)]), 9)
    assert (discarded.status, discarded.pending) == (Status.DOWNLOADABLE, None)

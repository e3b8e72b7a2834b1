"""A certificate that late facts no longer carry is kept; but a person who invalidates it acts at once."""

from datetime import UTC, datetime, timedelta

from certrules.core.facts import Approval, Enrollment, Record, active_by_person
from certrules.core.guard import Published, Settled, settle
from certrules.core.policy import PRESETS, Policies, undated
from certrules.core.replay import Actor, replay
from certrules.core.terms import PERSON, Cause, Fact, Status
from certrules.core.timeline import Entry, Timeline, merge

START = datetime(2026, 3, 1, tzinfo=UTC)
POLICIES = undated(PRESETS["open-edx"])


def _said(hour: int, fact: Fact, value: object, subject: str = "", by: str = "", notes: str = "") -> Entry:
    return Entry(START + timedelta(hours=hour), f"{fact}-{hour}", fact, subject, value, by, notes)


AWARDED = merge(
    (),
    [
        _said(0, Fact.COURSE_RUN, value=True),
        _said(1, Fact.ENROLLMENT, Enrollment("verified", active=True)),
        _said(3, Fact.PASSING, value=True),
    ],
)
NEVER_EARNED = merge(AWARDED, [_said(2, Fact.ENROLLMENT, Enrollment("audit", active=True))])


def _settled(before: Published, timeline: Timeline, hour: int, policies: Policies = POLICIES) -> Settled:
    record = Record(42, "course-v1:DemoX+CS101+2026_T1", timeline)
    outcome = replay(record, policies, START + timedelta(hours=hour))
    return settle(before, outcome, "c1", invalidation=active_by_person(timeline))


def test_late_facts_hold_it_and_a_persons_invalidation_then_takes_it_away_at_once() -> None:
    awarded = _settled(Published(), AWARDED, 4).published
    held = _settled(awarded, NEVER_EARNED, 5)
    assert held.kept
    assert held.published.pending is not None
    assert held.published.pending.cause is Cause.NEVER_EARNED
    invalidated = merge(NEVER_EARNED, [_said(6, Fact.INVALIDATION, True, PERSON, "integrity-desk-1", "shared account")])
    revoked = _settled(held.published, invalidated, 7)
    assert [(item.previous, item.status, item.cause, item.actor) for item in revoked.news] == [
        (Status.DOWNLOADABLE, Status.UNAVAILABLE, Cause.INVALIDATED, Actor("integrity-desk-1", "shared account"))
    ]
    assert revoked.published.pending is None
    assert revoked.published.certificate is not None
    assert revoked.published.certificate.certificate_id == "c1"
    again = _settled(revoked.published, invalidated, 8)
    assert again.published == revoked.published
    assert again.news == ()


def test_an_invalidation_from_before_the_award_does_not_take_it_away() -> None:
    awarded = _settled(Published(), AWARDED, 4).published
    late = merge(NEVER_EARNED, [_said(2, Fact.INVALIDATION, True, PERSON, "integrity-desk-1")])
    assert _settled(awarded, late, 5).kept


def test_what_was_issued_once_keeps_its_dates_though_the_facts_no_longer_give_any() -> None:
    strict = undated(PRESETS["edx-2021"])
    verified = merge(AWARDED, [_said(2, Fact.ID_VERIFICATION, Approval(None), "1")])
    awarded = _settled(Published(), verified, 4, strict).published
    denied = merge(
        verified,
        [
            Entry(START + timedelta(hours=2), "the later id wins", Fact.ID_VERIFICATION, "1", None),
            _said(6, Fact.INVALIDATION, True, PERSON, "integrity-desk-1"),
        ],
    )
    revoked = _settled(awarded, denied, 7, strict)
    assert [item.cause for item in revoked.news] == [Cause.INVALIDATED]
    later = _settled(revoked.published, denied, 8, strict).published
    assert awarded.certificate is not None
    assert later.certificate is not None
    assert later.certificate.status is Status.UNAVAILABLE
    assert later.certificate[3:] == awarded.certificate[3:]  # id and dates

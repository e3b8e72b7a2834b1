"""Who decides in a course run, and what learners have before anything is decided here."""

from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from certrules.core.certificate import Outcome, Pending
from certrules.core.fact_types import Fact
from certrules.core.facts import Record
from certrules.core.guard import (
    Publication,
    PublishedCertificate,
    PublishedTransition,
    automatic_revocation,
    is_downloadable,
    next_publication,
    published_before,
)
from certrules.core.instants import BEGINNING
from certrules.core.policy import DEFAULT, Policies, undated
from certrules.core.replay import replay
from certrules.core.rollout import RolloutState, rollout_state
from certrules.core.terms import Cause, Rollout, Status
from certrules.core.timeline import Entry, Timeline, merge
from tests.scenes.histories import END, INSTANTS, entries, policies
from tests.scenes.phrases import COURSE_RUN, instant, qualifying, record_of, reported

SHADOW = RolloutState(Rollout.SHADOW, BEGINNING)
LIVE = RolloutState(Rollout.LIVE, BEGINNING)


def live_since(at: str) -> RolloutState:
    return RolloutState(Rollout.LIVE, instant(at))


def settings(*values: tuple[str, str]) -> Timeline:
    """Return the rollout settings of a course run, in their order."""
    return tuple(Entry(instant(at), f"{n}", Fact.COURSE_RUN, "rollout", value) for n, (at, value) in enumerate(values))


def amounts_to(*facts: tuple[str, str], without: tuple[str, ...] = ()) -> tuple[Outcome, Timeline]:
    record = qualifying(*facts, without=without)
    return replay(record, undated(DEFAULT), instant("day 30")), record.timeline


def goes_live(at: str, *facts: tuple[str, str], without: tuple[str, ...] = ()) -> Publication:
    """Return what becomes of a learner when the course run goes live: until then, the old logic decided."""
    outcome, timeline = amounts_to(*facts, without=without)
    shadow = tuple(entry for entry in timeline if entry.at < instant(at))
    before = published_before(PublishedCertificate(), shadow, SHADOW)
    terms = live_since(at)
    return next_publication(
        published_before(before, timeline, terms), outcome, "new", BEGINNING, timeline, terms.live_since
    )


# --- who decides


@pytest.mark.parametrize("default", Rollout)
def test_a_course_run_without_a_value_has_the_deployments_default(default: Rollout) -> None:
    assert rollout_state((), default) == RolloutState(default, BEGINNING)
    others = (Entry(instant("day 1"), "1", Fact.COURSE_RUN, "", value=True),)
    assert rollout_state((*others, *settings(("day 2", "shadow"))), default).rollout is Rollout.SHADOW
    assert rollout_state(others, default) == RolloutState(default, BEGINNING)


def test_it_is_live_since_it_last_began_to_be() -> None:
    stated = (("day 1", "shadow"), ("day 3", "live"), ("day 4", "live"), ("day 5", "off"), ("day 7", "live"))
    assert rollout_state(settings(*stated[:3]), Rollout.LIVE) == live_since("day 3")
    assert rollout_state(settings(*stated), Rollout.LIVE) == live_since("day 7")
    assert rollout_state(settings(("day 3", "live")), Rollout.OFF) == live_since("day 3")
    assert rollout_state(settings(("day 3", "live")), Rollout.LIVE) == LIVE


# --- what learners have


def test_where_the_old_logic_decides_what_it_last_stated_is_what_learners_have() -> None:
    timeline = reported([("day 4", "recorded notpassing with id abc"), ("day 5", "recorded downloadable")])
    have = published_before(PublishedCertificate(), timeline, SHADOW)
    assert have.certificate is not None
    assert (have.certificate.status, have.certificate.certificate_id) == (Status.DOWNLOADABLE, "abc")
    assert (have.certificate.mode, have.certificate.grade) == ("verified", "0.9")
    assert have.certificate.issued_at == have.certificate.first_issued_at == instant("day 5")
    assert have.transitions == (PublishedTransition(instant("day 5"), Status.DOWNLOADABLE, Cause.RECORDED),)
    assert published_before(have, timeline, SHADOW) == have


def test_a_status_that_the_old_logic_repeats_began_when_it_was_first_stated() -> None:
    timeline = reported([("day 4", "recorded downloadable"), ("day 6", "recorded downloadable with id abc")])
    have = published_before(PublishedCertificate(), timeline, SHADOW)
    assert have.transitions == (PublishedTransition(instant("day 4"), Status.DOWNLOADABLE, Cause.RECORDED),)
    assert have.certificate is not None
    assert (have.certificate.issued_at, have.certificate.certificate_id) == (instant("day 4"), "abc")


def test_without_a_record_of_the_old_logic_there_is_no_certificate() -> None:
    assert published_before(PublishedCertificate(), qualifying().timeline, SHADOW) == PublishedCertificate()


def test_what_was_published_stays_until_the_old_logic_shows_something_newer() -> None:
    record = qualifying(("day 2", "recorded unverified with id abc"), ("day 29 23:30", "failing"))
    live = next_publication(
        PublishedCertificate(), replay(record, undated(DEFAULT), instant("day 30")), "first"
    ).published
    assert live.pending is not None
    back = published_before(live, record.timeline, SHADOW)
    assert back == live._replace(pending=None)

    newer = (*record.timeline, *reported([("day 31", "recorded notpassing")]))
    have = published_before(back, newer, SHADOW)
    assert have.certificate is not None
    assert (have.certificate.status, have.certificate.certificate_id) == (Status.NOTPASSING, "abc")


def test_the_certificate_keeps_the_id_that_was_published_where_the_old_logic_names_none() -> None:
    live = next_publication(PublishedCertificate(), amounts_to()[0], "first").published
    have = published_before(live, reported([("day 9", "recorded notpassing")]), SHADOW)
    assert have.certificate is not None
    assert have.certificate.certificate_id == "first"


def test_of_two_entries_at_one_instant_the_last_counts_in_any_order_of_arrival() -> None:
    one, two = reported([("day 4", "recorded notpassing"), ("day 4", "recorded downloadable")])
    for first in (one, two):
        have = published_before(published_before(PublishedCertificate(), (first,), SHADOW), (one, two), SHADOW)
        assert have == published_before(PublishedCertificate(), (one, two), SHADOW)
        assert have.certificate is not None
        assert have.certificate.status is Status.DOWNLOADABLE


def test_the_old_logics_value_of_the_instant_of_our_own_is_not_newer() -> None:
    live = next_publication(PublishedCertificate(), amounts_to()[0], "first").published
    assert published_before(live, reported([("day 3", "recorded notpassing")]), SHADOW) == live


def test_a_live_course_run_starts_from_what_was_published() -> None:
    timeline = reported([("day 4", "recorded downloadable")])
    assert published_before(PublishedCertificate(), timeline, LIVE) == PublishedCertificate()
    live = next_publication(PublishedCertificate(), amounts_to()[0], "first").published
    assert published_before(live, timeline, live_since("day 9")) == live


def test_a_certificate_of_the_old_logic_that_arrives_after_going_live_is_not_issued_twice() -> None:
    timeline = reported(
        [("day 4", "recorded downloadable with id abc"), ("day 9", "recorded downloadable with id xyz")]
    )
    have = published_before(PublishedCertificate(), timeline, live_since("day 8"))
    assert have.certificate is not None
    assert have.certificate.certificate_id == "abc"
    publication = next_publication(have, amounts_to(("day 4", "recorded downloadable with id abc"))[0], "new")
    assert publication.new_transitions == ()


# --- going live


def test_a_certificate_that_the_facts_carry_is_no_news() -> None:
    after = goes_live("day 20", ("day 4", "recorded downloadable with id abc created day 4 modified day 4"))
    assert after.new_transitions == ()
    certificate = after.published.certificate
    assert certificate is not None
    assert (certificate.certificate_id, certificate.issued_at) == ("abc", instant("day 4"))
    assert after.published.pending is None


def test_a_certificate_of_which_nothing_else_is_known_is_carried() -> None:
    record = record_of(("day 4", "recorded downloadable with id abc"))
    before = published_before(PublishedCertificate(), record.timeline, SHADOW)
    outcome = replay(record, undated(DEFAULT), instant("day 30"))
    assert next_publication(before, outcome, "", BEGINNING, record.timeline, instant("day 20")) == Publication(
        before, (), retained=False
    )


def test_what_only_the_facts_carry_is_issued() -> None:
    after = goes_live("day 20", ("day 4", "recorded notpassing with id abc"))
    assert [(change.previous, change.status) for change in after.new_transitions] == [
        (Status.NOTPASSING, Status.DOWNLOADABLE)
    ]
    assert after.new_transitions[0].certificate.certificate_id == "abc"


@pytest.mark.parametrize(
    "loss",
    [
        ("day 9", "invalidated by ada"),
        ("day 9", "exam final rejected"),
        ("day 9", "allowlist entry removed by ada"),
    ],
)
def test_what_somebody_took_away_and_the_old_logic_let_stand_is_held(loss: tuple[str, str]) -> None:
    facts = [("day 4", "recorded downloadable with id abc"), loss]
    if loss[1].startswith("allowlist"):
        facts = [("day 2", "allowlisted by ada"), *facts]
    after = goes_live("day 20", *facts, without=("grade",) if len(facts) == 3 else ())
    assert after.retained
    assert after.new_transitions == ()
    assert after.published.pending == Pending(Cause.NEVER_EARNED, instant("day 30"), None)


def test_an_automatic_loss_goes_on_to_what_stops_it() -> None:
    facts = ("day 4", "recorded downloadable"), ("day 9", "failing")
    after = goes_live("day 20", *facts)
    before = published_before(PublishedCertificate(), amounts_to(*facts)[1], SHADOW)
    revocation = automatic_revocation(before, after.new_transitions)
    assert revocation is not None
    assert (revocation.cause, revocation.at) == (Cause.GRADE_FELL, instant("day 9 01:00"))


def test_a_person_who_invalidates_after_going_live_acts_at_once() -> None:
    facts = ("day 4", "recorded downloadable"), ("day 9", "exam final rejected")
    held = goes_live("day 20", *facts).published
    outcome, timeline = amounts_to(*facts, ("day 21", "invalidated by ada"))
    after = next_publication(held, outcome, "", BEGINNING, timeline, instant("day 20"))
    assert [change.cause for change in after.new_transitions] == [Cause.INVALIDATED]
    assert next_publication(held, outcome, "", BEGINNING, timeline, instant("day 22")).retained


def test_a_revocation_after_going_live_is_a_revocation() -> None:
    after = goes_live("day 20", ("day 4", "recorded downloadable"), ("day 21", "exam final rejected"))
    assert [change.cause for change in after.new_transitions] == [Cause.EXAM_REJECTED]


# --- whatever was received


def test_what_came_and_went_while_the_old_logic_decided_is_not_reported() -> None:
    facts = ("day 3", "recorded unavailable"), ("day 9", "invalidated by ada")
    assert goes_live("day 20", *facts).new_transitions == ()
    after = goes_live("day 20", *facts, ("day 10", "invalidation lifted by ada"))
    assert [(change.at, change.previous, change.status) for change in after.new_transitions] == [
        (instant("day 10"), Status.UNAVAILABLE, Status.DOWNLOADABLE)
    ]
    after = goes_live("day 20", *facts, ("day 25", "invalidation lifted by ada"))
    assert [(change.previous, change.status) for change in after.new_transitions] == [
        (Status.UNAVAILABLE, Status.DOWNLOADABLE)
    ]


def test_what_was_lost_then_and_is_there_again_was_never_lost() -> None:
    facts = [("day 4", "recorded downloadable"), ("day 9", "invalidated by ada")]
    lifted = ("day 21", "invalidation lifted by ada")
    assert goes_live("day 20", *facts, lifted).new_transitions == ()
    after = goes_live("day 20", *facts, lifted, ("day 22", "exam final rejected"))
    assert [(change.at, change.cause) for change in after.new_transitions] == [(instant("day 22"), Cause.EXAM_REJECTED)]


@given(entries(), st.sampled_from([Rollout.OFF, Rollout.SHADOW]))
def test_the_order_of_the_old_logics_records_makes_no_difference(arrived: list[Entry], rollout: Rollout) -> None:
    whole = published_before(PublishedCertificate(), merge((), arrived), RolloutState(rollout, BEGINNING))
    step = PublishedCertificate()
    timeline: Timeline = ()
    for entry in arrived:  # by event id, which is not the order in time
        timeline = merge(timeline, [entry])
        step = published_before(step, timeline, RolloutState(rollout, BEGINNING))
    names = whole.certificate is not None and whole.certificate.certificate_id
    if whole.certificate is not None and step.certificate is not None and not names:
        step = step._replace(certificate=step.certificate._replace(certificate_id=""))
    assert step == whole


@given(entries(), policies(), st.sampled_from([*INSTANTS[1:], END]))
def test_going_live_revokes_nothing_and_publishes_nothing_twice(
    arrived: list[Entry], policies: Policies, live_at: datetime
) -> None:
    record = Record(7, COURSE_RUN, merge((), arrived))
    shadow = tuple(entry for entry in record.timeline if entry.at < live_at)
    have = published_before(PublishedCertificate(), shadow, SHADOW)
    before = published_before(have, record.timeline, RolloutState(Rollout.LIVE, live_at))
    assert before == have
    outcome = replay(record, policies, END)
    after = next_publication(before, outcome, "new", BEGINNING, record.timeline, live_at)
    statuses = [
        have.certificate.status if have.certificate else None,
        *(change.status for change in after.new_transitions),
    ]
    assert [change.previous for change in after.new_transitions] == statuses[:-1]
    held = automatic_revocation(before, after.new_transitions)
    if held is not None and held.at < live_at:
        return  # the caller holds it, and decides again
    for change in after.new_transitions:
        if change.previous is Status.DOWNLOADABLE and automatic_revocation(before, (change,)) is None:
            assert change.at >= live_at or not is_downloadable(have.certificate)
    if before.certificate is None or after.published.certificate is None:
        return
    known = {before.certificate.certificate_id or "new", "recorded"}
    if after.retained or not after.new_transitions:  # a certificate that stays as it was gets no id
        known.add("")
    assert after.published.certificate.certificate_id in known
    if outcome.status is before.certificate.status:
        straight = next_publication(PublishedCertificate(), outcome, "new").published.certificate
        assert straight is not None
        assert after.published.certificate.status is straight.status
        dates = (straight.issued_at, straight.first_issued_at)
        assert None in dates or after.published.certificate[4:] == dates
        if outcome.transitions[-1].at < live_at:
            assert after.new_transitions == ()

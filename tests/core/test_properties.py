"""What is proved of every history: DESIGN's list of properties, over histories as tests.scenes.histories draws them."""

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from certrules.core.certificate import Outcome
from certrules.core.decision import decide
from certrules.core.fact_types import Approval, Enrollment, Fact
from certrules.core.facts import Record
from certrules.core.guard import Publication, PublishedCertificate, next_publication
from certrules.core.policy import Policies
from certrules.core.replay import replay
from certrules.core.rules import RULES
from certrules.core.terms import RELEASED, REVOKING, Cause, RevocationAction, Status
from certrules.core.timeline import Entry, Timeline, at_instant, compact, merge
from tests.scenes.histories import (
    CORE_FACTS,
    END,
    INSTANTS,
    course_runs,
    deliveries,
    entries,
    instants,
    policies,
    records,
)
from tests.scenes.phrases import COURSE_RUN

AN_INSTANT = timedelta(microseconds=1)
FAR_FUTURE = datetime(2999, 1, 1, tzinfo=UTC)

# --- what a history amounts to


@given(records(), policies())
def test_downloadable_is_only_ever_left_for_a_listed_cause(record: Record, policies: Policies) -> None:
    for change in replay(record, policies, END).transitions:
        if change.previous is Status.DOWNLOADABLE:
            assert change.cause in REVOKING
            assert _really_holds(change.cause, record, change.at)


def _really_holds(cause: Cause, record: Record, at: datetime) -> bool:
    """Whether the record has the deed that a revocation with this cause, effective at this instant, rests on."""
    before, now = _values(record.timeline, at - AN_INSTANT), _values(record.timeline, at)
    listed = now.get((Fact.ALLOWLIST, ""), False)
    if cause in {Cause.INVALIDATED, Cause.EXAM_REJECTED}:
        became_active = {
            subject
            for (fact, subject), value in now.items()
            if fact is Fact.INVALIDATION and value and not before.get((fact, subject))
        }
        return "" in became_active if cause is Cause.INVALIDATED else bool(became_active) and not listed
    if any(
        entry[2:5] == (Fact.REVOCATION, cause, RevocationAction.RELEASED) and entry.at == at
        for entry in record.timeline
    ):
        return True
    if cause is Cause.GRADE_FELL:
        return now[Fact.PASSING, ""] is False and not listed
    return not listed and any(
        entry.fact is Fact.ALLOWLIST and not entry.value for entry in record.timeline if entry.at <= at
    )


def _values(timeline: Timeline, at: datetime) -> dict[tuple[Fact, str], object]:
    return {line: entry.value for line, entry in at_instant(timeline, at).items()}


@given(records(), policies())
def test_each_transition_follows_on_the_one_before_and_changes_the_status(record: Record, policies: Policies) -> None:
    outcome = replay(record, policies, END)
    reported = [None, *(change.status for change in outcome.transitions)]
    assert [change.previous for change in outcome.transitions] == reported[:-1]
    assert outcome.status == reported[-1]
    for change in outcome.transitions:
        assert change.previous is not change.status
        assert change.at == change.decision.facts.as_of
    for earlier, later in pairwise(outcome.transitions):
        assert earlier.at <= later.at
        assert earlier.at < later.at or later.cause is not Cause.RECORDED  # it undoes nothing of the same instant


@given(records(), policies(), instants())
def test_a_certificate_that_is_due_is_in_a_mode_that_earns_one(
    record: Record, policies: Policies, at: datetime
) -> None:
    outcome = replay(record, policies, at)
    if outcome.certificate is not None and not outcome.decision.unmet:
        assert outcome.certificate.mode in outcome.decision.facts.policy.eligible_modes


@given(records(), policies())
def test_an_allowlisted_learner_never_becomes_notpassing(record: Record, policies: Policies) -> None:
    for change in replay(record, policies, END).transitions:
        if change.status is Status.NOTPASSING and change.cause is not Cause.RECORDED:
            assert not change.decision.facts.allowlisted


@given(records(), policies())
def test_id_and_dates_survive_everything_but_a_record_and_a_loss_of_passing(record: Record, policies: Policies) -> None:
    lost_passing = False
    changes = replay(record, policies, END).transitions
    for earlier, later in pairwise(changes):
        lost_passing = earlier.status is not Status.DOWNLOADABLE and (
            lost_passing or earlier.cause in {Cause.GRADE_FELL, Cause.NEVER_PASSED}
        )
        before, after = earlier.certificate, later.certificate
        assert after.certificate_id or not before.certificate_id
        if any(entry.fact is Fact.RECORDED and earlier.at <= entry.at <= later.at for entry in record.timeline):
            continue  # the old logic's id and dates take precedence; the cases show how
        assert after.certificate_id == before.certificate_id
        if before.first_issued_at is not None:
            assert after.first_issued_at == before.first_issued_at
            if later.status is Status.DOWNLOADABLE and lost_passing:
                assert (later.cause, after.issued_at) == (Cause.EARNED, later.at)
            elif after.issued_at != before.issued_at:
                assert (later.cause, after.issued_at) == (Cause.EARNED, later.at)
                assert _fell(record.timeline, later.at)
            else:
                assert later.cause is not Cause.EARNED


def _fell(timeline: Timeline, until: datetime) -> bool:
    """Whether a passing grade was followed by a failing one, the last of them before an instant."""
    values = [entry.value for entry in timeline if entry.fact is Fact.PASSING and entry.at < until]
    return any(before and not after for before, after in pairwise(values))


@given(records(), policies())
def test_what_is_downloadable_has_its_dates_and_what_never_was_has_none(record: Record, policies: Policies) -> None:
    outcome = replay(record, policies, END)
    ever = any(change.status is Status.DOWNLOADABLE for change in outcome.transitions)
    if outcome.certificate is not None:
        dates = (outcome.certificate.issued_at, outcome.certificate.first_issued_at)
        assert (None not in dates) if ever else dates == (None, None)
        assert not ever or dates[0] >= dates[1]  # type: ignore[operator]  # neither is None


@given(records(), policies(), instants())
def test_a_stored_decision_recomputed_from_its_facts_comes_out_equal(
    record: Record, policies: Policies, until: datetime
) -> None:
    outcome = replay(record, policies, until)
    assert outcome.decision.facts.as_of == until
    for decision in (outcome.decision, *(change.decision for change in outcome.transitions)):
        assert decide(decision.facts) == decision
        for verdict in decision.verdicts():
            rule, facts = verdict.rule, decision.facts
            assert verdict.met == rule.met(facts)
            assert verdict.waived == (not rule.met(facts) and facts.allowlisted and rule.waived_by_allowlist)
            assert (rule.code in decision.unmet) == (not verdict.met and not verdict.waived)


# --- reasons


@given(records(), policies(), instants())
def test_every_refusal_names_its_reasons_and_nothing_less_than_all_of_them_makes_it_downloadable(
    record: Record, policies: Policies, until: datetime
) -> None:
    record = Record(7, COURSE_RUN, _up_to(record.timeline, until))  # that it is a CCX never goes away
    outcome = replay(record, policies, until)
    if outcome.status is Status.DOWNLOADABLE:
        assert outcome.reasons == ()
        return
    assert outcome.reasons
    for left in ("", *outcome.reasons):
        fixed = set(outcome.reasons) - {left}
        after = _repaired(record, policies, until, fixed)
        if left:
            assert after.status is not Status.DOWNLOADABLE
            assert after.reasons == (left,)
        else:
            assert after.status is Status.DOWNLOADABLE


def _repaired(record: Record, policies: Policies, until: datetime, codes: set[str]) -> Outcome:
    """Replay the record as if exactly what these codes name had gone away right after."""
    at = until + AN_INSTANT
    phrases: list[tuple[Fact, str, object]] = []
    if codes & {"not_enrolled", "mode_not_eligible"}:
        phrases.append((Fact.ENROLLMENT, "", Enrollment("verified", active=True)))
    if codes & {"id_not_verified", "id_verification_expired"}:
        phrases.append((Fact.ID_VERIFICATION, "repaired", Approval(None)))
    if "invalidated" in codes:
        subjects = {entry.subject for entry in record.timeline if entry.fact is Fact.INVALIDATION}
        phrases += [(Fact.INVALIDATION, subject, False) for subject in subjects]
    if "web_certificates_off_course_run" in codes:
        phrases.append((Fact.COURSE_RUN, "web_certificates_enabled", True))
    if "course_run_unknown" in codes:
        phrases.append((Fact.COURSE_RUN, "", True))
    if codes & {"no_grade", "not_passed"}:
        phrases.append((Fact.PASSING, "", True))
    if "beta_tester" in codes:
        phrases.append((Fact.BETA_TESTER, "", False))
    if "web_certificates_off_instance" in codes:
        policies = _switched_on(policies, at)
    reported = [Entry(at, f"repair-{number}", *phrase) for number, phrase in enumerate(phrases)]
    return replay(Record(7, record.course_run, merge(record.timeline, reported)), policies, at)


def _switched_on(policies: Policies, at: datetime) -> Policies:
    in_force = [policy for since, policy in policies if since <= at] or [policies[0][1]]
    return (*(dated for dated in policies if dated[0] < at), (at, replace(in_force[-1], web_certificates=True)))


# --- what isn't known


@pytest.mark.parametrize("unknown", CORE_FACTS)
@given(record=records(), policies=policies())
def test_what_is_unknown_never_adds_a_revocation(unknown: str, record: Record, policies: Policies) -> None:
    # How long a revocation is held is policy, not a fact: here all course runs hold as long as their deployment.
    timeline = tuple(
        entry
        for entry in record.timeline
        if not (entry.fact is Fact.COURSE_RUN and entry.value and getattr(entry.value, "hold", None) is not None)
    )
    reduced = tuple(entry for entry in timeline if entry.fact not in CORE_FACTS[unknown])
    known = replay(Record(7, record.course_run, timeline), policies, END)
    for change in replay(Record(7, record.course_run, reduced), policies, END).transitions:
        # An allowlist entry that is removed by somebody is a cause of its own: what rested on nothing else goes. So is
        # a person's release of a held revocation.
        if change.previous is Status.DOWNLOADABLE and change.cause not in {Cause.ALLOWLIST_REMOVED, *RELEASED}:
            lost_before = any(
                known_change.previous is Status.DOWNLOADABLE and known_change.at <= change.at
                for known_change in known.transitions
            )
            assert lost_before or _status(known, change.at) is not Status.DOWNLOADABLE


def _status(outcome: Outcome, at: datetime) -> Status | None:
    return next((change.status for change in reversed(outcome.transitions) if change.at <= at), None)


# --- order


@given(st.data(), course_runs(), policies())
def test_any_order_duplication_and_batching_gives_the_same_replay(
    data: st.DataObject, course_run: str, policies: Policies
) -> None:
    reported = data.draw(entries())
    record = Record(7, course_run, merge((), reported))
    timeline: Timeline = ()
    for batch in data.draw(deliveries(reported)):
        timeline = merge(timeline, batch)
    assert timeline == record.timeline
    assert replay(Record(7, course_run, timeline), policies, END) == replay(record, policies, END)


@given(entries(max_size=35), entries(max_size=35), entries(max_size=35))
def test_merging_is_commutative_associative_and_idempotent(a: list[Entry], b: list[Entry], c: list[Entry]) -> None:
    # The three use the same event ids for different words, as only a broken producer would.
    one, two, three = (merge((), reported) for reported in (a, b, c))
    assert merge(one, two) == merge(two, one)
    assert merge(merge(one, two), three) == merge(one, merge(two, three))
    assert merge(one, one) is one
    assert merge(merge(one, two), two) == merge(one, two)


# --- what is published, step by step


@given(st.data(), course_runs(), policies())
def test_publishing_step_by_step_gives_the_same_or_holds_but_never_less(
    data: st.DataObject, course_run: str, policies: Policies
) -> None:
    reported = data.draw(entries())
    steps = _published(course_run, policies, data.draw(deliveries(reported)), data)
    whole = replay(Record(7, course_run, merge((), reported)), policies, END)
    published = steps[-1].published
    certificate, pending = published.certificate, published.pending
    if steps[-1].retained:
        assert certificate is not None
        assert certificate.status is Status.DOWNLOADABLE
        assert pending is not None
        assert (pending.cause, pending.due) == (Cause.NEVER_EARNED, None)
        assert whole.status is not Status.DOWNLOADABLE
    elif whole.certificate is None:  # a status that was published goes stale, but not away
        assert certificate is None or certificate.status is not Status.DOWNLOADABLE
    elif not {(item.at, item.cause) for item in published.transitions[-1:]} <= _changes(whole):
        # A person revoked what later facts never gave: it stays as they left it.
        assert published.transitions[-1].cause is Cause.INVALIDATED
        assert certificate is not None
        assert certificate.status is whole.status
    else:
        assert certificate is not None
        if whole.certificate.first_issued_at is None:  # a date of issue survives facts that no longer give one
            assert certificate.status is not Status.DOWNLOADABLE
            certificate = certificate._replace(issued_at=None, first_issued_at=None)
        assert certificate._replace(certificate_id="") == whole.certificate._replace(certificate_id="")
        assert pending == whole.pending


@given(st.data(), course_runs(), policies())
def test_news_follow_on_what_was_published_and_take_nothing_away_without_a_listed_cause(
    data: st.DataObject, course_run: str, policies: Policies
) -> None:
    before = PublishedCertificate()
    for step in _published(course_run, policies, data.draw(deliveries(data.draw(entries()))), data):
        old = before.certificate.status if before.certificate else None
        new = step.published.certificate.status if step.published.certificate else None
        reported = [old, *(change.status for change in step.new_transitions)]
        assert [change.previous for change in step.new_transitions] == reported[:-1]
        assert reported[-1] == new
        for change in step.new_transitions:
            assert change.previous is not Status.DOWNLOADABLE or change.cause in REVOKING
            assert change.certificate.certificate_id == _certificate_id(step.published)
        before = step.published


@given(st.data(), course_runs(), policies())
def test_the_published_id_never_changes(data: st.DataObject, course_run: str, policies: Policies) -> None:
    known = ""
    for step in _published(course_run, policies, data.draw(deliveries(data.draw(entries()))), data):
        assert _certificate_id(step.published) == known or not known
        known = _certificate_id(step.published)
        assert known or step.published.certificate is None


@given(st.data(), course_runs(), policies())
def test_of_events_in_order_no_certificate_stays_unearned(
    data: st.DataObject, course_run: str, policies: Policies
) -> None:
    timeline = merge((), data.draw(entries()))
    before = PublishedCertificate()
    for at in sorted({entry.at for entry in timeline} | {END}):
        outcome = replay(Record(7, course_run, _up_to(timeline, at)), policies, at)
        step = next_publication(before, outcome, "new")
        assert not step.retained
        assert step.published.transitions[: len(before.transitions)] == before.transitions
        before = step.published


def _changes(outcome: Outcome) -> set[tuple[datetime, Cause]]:
    return {(item.at, item.cause) for item in outcome.transitions}


def _published(
    course_run: str, policies: Policies, batches: list[list[Entry]], data: st.DataObject
) -> list[Publication]:
    """Deliver the batches as time passes, and return what is published after each."""
    looks = sorted(data.draw(st.lists(instants(), min_size=len(batches) - 1, max_size=len(batches) - 1)))
    timeline: Timeline = ()
    steps: list[Publication] = []
    published = PublishedCertificate()
    for number, (batch, now) in enumerate(zip(batches, [*looks, END], strict=True)):
        timeline = merge(timeline, batch)
        outcome = replay(Record(7, course_run, timeline), policies, now)
        steps.append(next_publication(published, outcome, f"id-{number}"))
        published = steps[-1].published
    return steps


def _certificate_id(published: PublishedCertificate) -> str:
    return published.certificate.certificate_id if published.certificate else ""


# --- time


@given(records(), policies(), instants(), instants())
def test_an_earlier_replay_is_the_beginning_of_a_later_one(
    record: Record, policies: Policies, one: datetime, other: datetime
) -> None:
    earlier, later = sorted((one, other))
    until_then = tuple(change for change in replay(record, policies, later).transitions if change.at <= earlier)
    assert replay(record, policies, earlier).transitions == until_then


@given(records(), policies(), instants())
def test_nothing_changes_before_the_next_change_that_is_announced(
    record: Record, policies: Policies, until: datetime
) -> None:
    known = Record(7, record.course_run, _up_to(record.timeline, until))
    now = replay(known, policies, until)
    if now.next_change_at is None:
        assert _amounts_to(replay(known, policies, FAR_FUTURE)) == _amounts_to(now)
    else:
        assert now.next_change_at > until
        assert _amounts_to(replay(known, policies, now.next_change_at - AN_INSTANT)) == _amounts_to(now)
        assert _amounts_to(replay(known, policies, now.next_change_at)) != _amounts_to(now)


@given(records(), policies(), instants())
def test_a_value_that_changes_no_fact_changes_nothing(record: Record, policies: Policies, at: datetime) -> None:
    letters = any(entry.fact is Fact.GRADE and entry.value.may_mean_passed for entry in record.timeline)
    not_repeats = {Fact.REVOCATION}  # reported of what is pending then
    if letters:  # of passing and letters the last one counts, so one that comes again after the other is no repeat
        not_repeats |= {Fact.PASSING, Fact.GRADE}
    repeats = [
        Entry(at, f"repeat-{number}", fact, subject, source.value, by="somebody else")
        for number, ((fact, subject), source) in enumerate(at_instant(record.timeline, at).items())
        if fact not in not_repeats
    ]
    unreceived = Entry(at, "unheard", Fact.INVALIDATION, "an exam that was never rejected", value=False)
    repeated = Record(7, record.course_run, merge(record.timeline, [*repeats, unreceived]))
    assert replay(repeated, policies, END) == replay(record, policies, END)


def _amounts_to(outcome: Outcome) -> object:
    changes = [(change.at, change.status, change.cause) for change in outcome.transitions]
    return outcome.certificate, changes, outcome.pending


def _up_to(timeline: Timeline, until: datetime) -> Timeline:
    return tuple(entry for entry in timeline if entry.at <= until)


# --- compaction


@given(records(min_size=40, max_size=60), policies(), st.integers(0, 30))
def test_compaction_changes_no_replay_at_any_instant(record: Record, policies: Policies, capacity: int) -> None:
    stored_record, _ = compact(record.timeline, capacity)
    compacted = Record(7, record.course_run, stored_record)
    for at in (*INSTANTS[::3], END):
        assert replay(compacted, policies, at) == replay(record, policies, at)
        assert _values(stored_record, at) == _values(record.timeline, at)
        assert at_instant(stored_record, at) == at_instant(record.timeline, at)


@given(entries(min_size=40, max_size=60), st.integers(0, 30), st.data())
def test_compacting_twice_is_compacting_once_and_what_was_dropped_stays_dropped(
    reported: list[Entry], capacity: int, data: st.DataObject
) -> None:
    timeline = merge((), reported)
    stored_record, settled = compact(timeline, capacity)
    assert compact(stored_record, capacity, settled) == (stored_record, settled)
    again = data.draw(deliveries(reported))[0]
    assert compact(merge(stored_record, again), capacity, settled)[0] == stored_record
    assert set(stored_record) <= set(timeline)


# --- the strategies themselves


def test_the_generated_histories_reach_every_cause_status_and_reason() -> None:
    seen: Counter[object] = Counter()

    @settings(max_examples=400, database=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(records(), policies())
    def look(record: Record, policies: Policies) -> None:
        outcome = replay(record, policies, END)
        seen.update({change.cause for change in outcome.transitions})
        losses = [change for change in outcome.transitions if change.previous is Status.DOWNLOADABLE]
        seen.update({("lost", change.cause) for change in losses})
        seen.update({change.status for change in outcome.transitions})
        seen.update(outcome.reasons)
        seen.update([outcome.pending and outcome.pending.cause])
        seen.update({replay(record, policies, at).pending is not None for at in INSTANTS[::5]})

    look()

    for cause in set(Cause) - {Cause.NEVER_EARNED}:  # that one is not the replay's
        assert seen[cause] >= 3, cause
    for cause in REVOKING - RELEASED:
        assert seen["lost", cause] >= 10, cause
    assert seen["lost", Cause.RECORDED_WHILE_INVALIDATED]
    for status in (Status.DOWNLOADABLE, Status.NOTPASSING, Status.UNAVAILABLE, Status.UNVERIFIED):
        assert seen[status] >= 50, status
    for rule in RULES:
        assert seen[rule.code] >= 3, rule.code

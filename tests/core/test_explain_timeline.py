"""What support staff read of the past: what happened, and what changed between two instants."""

import re
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from certrules.core.explain.timeline import changed
from certrules.core.fact_types import Fact
from certrules.core.facts import Record
from certrules.core.policy import Modes, Overrides, Policies, read_policies
from certrules.core.replay import replay
from certrules.core.timeline import Entry, at_instant
from certrules.core.wording import when
from tests.scenes.explanations import EDX, explained
from tests.scenes.histories import instants, policies, records
from tests.scenes.phrases import CCX, instant, qualifying, record_of

# --- what happened


def test_facts_and_transitions_are_reported_in_the_order_in_which_they_happened() -> None:
    record = qualifying(
        ("day 1", "ID approved until day 5"),
        ("day 3 12:00", "passing"),
        ("day 4", "invalidated by ada"),
        ("day 6", "invalidation lifted by bob"),
        ("day 10", "failing"),
        without=["ID verification"],
    )
    assert [(moment.kind, moment.sentence) for moment in explained(record).timeline] == [
        (
            "fact",
            "Configuration of the course run received on 1 January 2026 at 00:00 UTC (event event-0001).",
        ),
        ("fact", "Enrolled in verified mode on 1 January 2026 at 00:00 UTC (event event-0002)."),
        (
            "fact",
            (
                "ID verification (attempt 1) approved on 1 January 2026 at 00:00 UTC (event "
                "event-0004), valid until "
                "5 January 2026 at 00:00 UTC."
            ),
        ),
        ("fact", "Passed on 3 January 2026 at 00:00 UTC (event event-0003)."),
        (
            "transition",
            "Certificate set to downloadable on 3 January 2026 at 00:00 UTC: all requirements were met.",
        ),
        ("fact", "Certificate invalidated on 4 January 2026 at 00:00 UTC by ada (event event-0006)."),
        (
            "transition",
            "Certificate set to unavailable on 4 January 2026 at 00:00 UTC by ada: it was invalidated.",
        ),
        ("fact", "ID verification (attempt 1) expired on 5 January 2026 at 00:00 UTC (event event-0004)."),
        ("fact", "Invalidation lifted on 6 January 2026 at 00:00 UTC by bob (event event-0007)."),
        (
            "transition",
            (
                "Certificate set to unverified on 6 January 2026 at 00:00 UTC by bob: the learner's "
                "ID verification "
                "has expired."
            ),
        ),
    ]


def test_an_id_verification_that_was_denied_or_renewed_before_its_end_did_not_expire() -> None:
    record = record_of(
        ("day 1", "ID attempt 1 approved until day 3"),
        ("day 2", "ID attempt 1 denied"),
        ("day 1", "ID attempt 2 approved until day 3"),
        ("day 3", "ID attempt 2 approved until day 30"),
        ("day 4", "ID attempt 3 approved until day 2"),
        ("day 1", "ID attempt 4 approved until day 3"),
        ("day 5", "ID attempt 4 approved until day 30"),
    )
    expired = [moment.sentence for moment in explained(record).timeline if " expired on" in moment.sentence]
    assert expired[0] == "ID verification (attempt 4) expired on 3 January 2026 at 00:00 UTC (event event-0006)."
    assert len([sentence for sentence in expired if "approved" not in sentence]) == 1


def test_a_policy_that_came_into_force_is_reported() -> None:
    dated = read_policies(
        [
            {"since": "2026-01-01T00:00:00Z", "preset": "edx-2021"},
            {"since": "2026-01-05T00:00:00Z", "preset": "open-edx"},
            {"since": "2026-02-01T00:00:00Z", "preset": "edx-2021"},
        ]
    )
    record = qualifying(without=["ID verification"])
    explanation = explained(record, policies=dated)
    assert explanation.policy_version == "open-edx"
    assert [moment.sentence for moment in explanation.timeline][-2:] == [
        "Policy open-edx came into force on 5 January 2026 at 00:00 UTC.",
        "Certificate set to downloadable on 5 January 2026 at 00:00 UTC: all requirements were met.",
    ]


@pytest.mark.parametrize(
    ("phrase", "sentence"),
    [
        ("unenrolled from audit", "Unenrolled from audit mode on {}."),
        ("graded 0.875", "Graded 87.5% on {}."),
        ("graded 0.59999 F", "Graded 59.999% (F) on {}."),
        ("beta tester added by system:roles", "Beta tester role given on {} by the software roles."),
        ("beta tester removed by system:", "Beta tester role removed on {} by the software."),
        ("exam final rejected", "Attempt at the exam final rejected on {}."),
        ("exam final reset", "Attempt at the exam final verified or reset on {}."),
        ("date override removed", "Override of the certificate's date removed on {}."),
        (
            "date override day 2 by ada",
            "Override of the certificate's date set on {} by ada: 2 January 2026 at 00:00 UTC.",
        ),
        ("recorded downloadable", "Certificate recorded by the old logic as downloadable on {}."),
        ("self-paced", "Self-pacing of the course run enabled on {}."),
        ("course end day 2", "End of the course run set on {}: 2 January 2026 at 00:00 UTC."),
        ("display behavior end", "Certificate display behavior of the course run set on {}: end."),
        ("policy of the deployment", "Policy of the course run cleared on {}."),
        ("hold of 60 seconds", "Policy of the course run set on {}: hold of 60 seconds."),
        (
            "ID verification not required",
            "Policy of the course run set on {}: ID verification not required.",
        ),
    ],
)
def test_every_fact_has_its_wording(phrase: str, sentence: str) -> None:
    (moment, *_) = explained(record_of(("day 3", phrase))).timeline
    without_event = re.sub(r" \(event [^)]*\)", "", moment.sentence)
    assert without_event == sentence.format("3 January 2026 at 00:00 UTC")


@pytest.mark.parametrize(
    ("overrides", "all_phrases"),
    [
        (Overrides(), "that of the deployment"),
        (
            Overrides(breaker_limit=3, breaker_window=timedelta(hours=1)),
            "at most 3 automatic revocations at once; counted over 3600 seconds",
        ),
        (
            Overrides("open-edx", Modes(frozenset()), id_verification_required=True),
            "preset open-edx; eligible modes none; ID verification required",
        ),
        (
            Overrides(
                eligible_modes=Modes(frozenset(), all_but=True),
                modes_without_id_verification=Modes(frozenset({"honor", "masters", "credit"})),
            ),
            "eligible modes every mode; modes without ID verification credit, honor and masters",
        ),
        (Overrides(passing_letters=("a+", "pass")), "passing letters A+ and Pass"),
        (Overrides(passing_letters=()), "passing letters none"),
    ],
)
def test_a_course_runs_own_policy_is_described(overrides: Overrides, all_phrases: str) -> None:
    entry = Entry(instant("day 3"), "e-1", Fact.COURSE_RUN, "policy", overrides)
    (moment,) = explained(Record(7, CCX, (entry,))).timeline
    assert moment.sentence == (
        f"Policy of the course run set on 3 January 2026 at 00:00 UTC (event e-1): {all_phrases}."
    )


@pytest.mark.parametrize(
    ("at", "all_phrases"),
    [
        (datetime(2026, 3, 3, 14, 5, tzinfo=UTC), "3 March 2026 at 14:05 UTC"),
        (datetime(2026, 12, 31, 23, 59, 1, tzinfo=UTC), "31 December 2026 at 23:59:01 UTC"),
        (datetime(2026, 1, 1, 0, 30, tzinfo=timezone(timedelta(hours=1))), "31 December 2025 at 23:30 UTC"),
    ],
)
def test_an_instant_is_written_in_utc(at: datetime, all_phrases: str) -> None:
    assert when(at) == all_phrases


# --- what changed between two instants


def test_the_difference_names_who_changed_what_and_the_outcome() -> None:
    record = qualifying(("day 4", "invalidated by ada"), ("day 5", "failing"), ("day 6", "failing"))
    difference = changed(record, EDX, instant("day 3"), instant("day 9"))
    assert difference.sentence == (
        "Between 3 January 2026 at 00:00 UTC and 9 January 2026 at 00:00 UTC the status changed from "
        "downloadable "
        "to unavailable."
    )
    assert [fact.sentence for fact in difference.facts] == [
        ('Invalidation: from "nothing received" to "active" on 4 January 2026 at 00:00 UTC by ada (event event-0005).'),
        'Passing: from "passed" to "failing" on 5 January 2026 at 00:00 UTC (event event-0006).',
    ]
    assert difference.facts[0].by == "ada"
    assert [transition.at for transition in difference.transitions] == [instant("day 4")]
    assert [(verdict.code, verdict.before, verdict.after) for verdict in difference.verdicts] == [
        ("invalidated", "met", "unmet"),
        ("not_passed", "met", "unmet"),
    ]


def test_an_id_verification_that_ran_out_is_a_difference_though_nothing_was_received() -> None:
    record = qualifying(("day 1", "ID approved until day 5"), without=["ID verification", "grade"])
    difference = changed(record, EDX, instant("day 4"), instant("day 9"))
    assert difference.sentence.endswith("the status stayed the same: no certificate.")
    (fact,) = difference.facts
    assert fact.sentence == (
        'ID verification (attempt 1): from "approved, valid until 5 January 2026 at 00:00 UTC" to '
        '"approved, expired on 5 January 2026 at 00:00 UTC" on 5 January 2026 at 00:00 UTC (event '
        "event-0003)."
    )
    assert [verdict.code for verdict in difference.verdicts] == ["id_verification_expired"]


def test_a_fact_that_changed_and_changed_back_is_listed_twice() -> None:
    record = qualifying(("day 4", "failing"), ("day 5", "passing"))
    difference = changed(record, EDX, instant("day 3"), instant("day 9"))
    assert [(fact.before, fact.after) for fact in difference.facts] == [
        ("passed", "failing"),
        ("failing", "passed"),
    ]
    assert [transition.kind for transition in difference.transitions] == ["transition", "transition"]
    assert difference.verdicts == ()


def test_a_difference_looks_forward() -> None:
    with pytest.raises(ValueError, match="9 January 2026 at 00:00 UTC is after 8 January 2026 at 00:00 UTC"):
        changed(qualifying(), EDX, instant("day 9"), instant("day 8"))


@given(records(), policies(), st.tuples(instants(), instants()).map(sorted))
def test_what_did_not_change_makes_no_difference(record: Record, policies: Policies, span: list[datetime]) -> None:
    earlier, later = span
    before, after = replay(record, policies, earlier), replay(record, policies, later)
    difference = changed(record, policies, earlier, later)
    assert (difference.status_before, difference.status_after) == (before.status, after.status)
    assert len(difference.transitions) == len(after.transitions) - len(before.transitions)
    flipped = (before.decision.unmet ^ after.decision.unmet) | (before.decision.waived ^ after.decision.waived)
    assert {verdict.code for verdict in difference.verdicts} == flipped
    assert flipped == set() or difference.facts or difference.policy_before != difference.policy_after
    reported = {(fact.event_id, fact.at) for fact in difference.facts}
    was, now = at_instant(record.timeline, earlier), at_instant(record.timeline, later)
    assert {(now[line].event_id, now[line].at) for line in now if now[line] != was.get(line)} <= reported

"""Where the design doesn't state that we differ, the platform's own decisions come out; where it does, named cases."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from certrules.core.certificate import Outcome
from certrules.core.policy import read_policies
from certrules.core.replay import replay
from certrules.core.terms import Status
from tests.scenes.phrases import CCX, COURSE_RUN, instant, qualifying, record_of
from tests.scenes.upstream import Platform

#: No hold, which the platform doesn't know.
AT_ONCE = read_policies({"hold_seconds": 0})
END = "day 300"

# What happens to a learner, in our words and as the platform's signal. Left out is where the design differs: an
# allowlist entry that goes, ID verifications that end, exams, and beta testers and switches that change later.
HAPPENINGS: dict[str, Callable[[Platform], None]] = {
    "passing": Platform.passes,
    "failing": Platform.fails,
    "ID approved": Platform.verifies_id,
    "invalidated by ada": Platform.is_invalidated,
    "invalidation lifted by ada": Platform.is_revalidated,
    "enrolled in verified": lambda platform: platform.changes_mode("verified"),
    "enrolled in professional": lambda platform: platform.changes_mode("professional"),
    "enrolled in audit": lambda platform: platform.changes_mode("audit"),
    "allowlisted by ada": Platform.is_allowlisted,
}
#: What a happening is about, by its first word.
SUBJECTS = {
    "passing": "grade",
    "failing": "grade",
    "ID": "ID verification",
    "invalidated": "invalidation",
    "invalidation": "invalidation",
    "enrolled": "enrolled",
    "allowlisted": "allowlist",
}


@given(
    st.lists(st.sampled_from([*HAPPENINGS, "passing", "failing", "passing", "failing"]), min_size=1, max_size=40),
    st.booleans(),
    st.booleans(),
    st.booleans(),
    st.sampled_from(["verified", "audit"]),
)
def test_events_in_order_give_the_platforms_own_history(
    happenings: list[str], beta_tester: bool, web: bool, ccx: bool, mode: str
) -> None:
    platform = Platform(beta_tester=beta_tester, web_certificates=web, ccx=ccx, mode=mode)
    facts = [
        ("day 1", f"web certificates switched {'on' if web else 'off'}"),
        ("day 1", f"enrolled in {mode}"),
        ("day 1", f"beta tester {'added' if beta_tester else 'removed'}"),
    ]
    stated = {"enrolled": f"enrolled in {mode}"}
    for day, happening in enumerate(happenings, 2):
        about = SUBJECTS[happening.split()[0]]
        if stated.get(about) != happening:  # a repeated word is no fact here, but a signal there: see the differences
            stated[about] = happening
            # An unverified certificate that is invalidated is labelled by any signal there, and by other unmet rules
            # here: see the differences.
            labelled = platform.invalidated and platform.status is Status.UNVERIFIED
            assume(not labelled or happening == "invalidation lifted by ada")
            HAPPENINGS[happening](platform)
        facts.append((f"day {day}", happening))
    outcome = replay(record_of(*facts, course_run=CCX if ccx else COURSE_RUN), AT_ONCE, instant(END))
    assert outcome.status == platform.status
    assert [change.status for change in outcome.transitions] == platform.history


def test_an_audit_certificate_of_old_is_generated_again_in_the_mode_that_now_earns_one() -> None:
    theirs = Platform(
        mode="audit", status=Status.DOWNLOADABLE, certificate_mode="audit", id_verified=True, passing=True
    )
    theirs.changes_mode("verified")
    assert (theirs.history, theirs.certificate_mode) == ([], "verified")
    recorded = ("day 2", "recorded downloadable in audit")
    ours = _ours(("day 1", "enrolled in audit"), recorded, ("day 5", "enrolled in verified"), without=("enrollment",))
    assert ours.certificate is not None
    assert (len(ours.transitions), ours.certificate.mode) == (1, "verified")


# --- the differences, by name


def _ours(*facts: tuple[str, str], without: tuple[str, ...] = (), until: str = END, hold: bool = False) -> Outcome:
    policies = read_policies({}) if hold else AT_ONCE
    return replay(qualifying(*facts, without=without), policies, instant(until))


def _theirs(*signals: Callable[[Platform], None]) -> Platform:
    platform = Platform(mode="verified")
    for signal in signals:
        signal(platform)
    return platform


QUALIFIES = (Platform.verifies_id, Platform.passes)


def test_we_hold_a_fall_of_the_grade_and_the_platform_does_not() -> None:
    assert _theirs(*QUALIFIES, Platform.fails, Platform.passes).history == [
        Status.DOWNLOADABLE,
        Status.NOTPASSING,
        Status.DOWNLOADABLE,
    ]
    assert len(_ours(("day 5", "failing"), ("day 5 00:30", "passing"), hold=True).transitions) == 1


def test_we_keep_what_was_earned_when_the_allowlist_entry_goes_and_the_platform_does_not() -> None:
    theirs = _theirs(*QUALIFIES, Platform.is_allowlisted, Platform.leaves_allowlist)
    assert theirs.status is Status.UNAVAILABLE
    ours = _ours(("day 4", "allowlisted by ada"), ("day 5", "allowlist entry removed by ada"))
    assert ours.status is Status.DOWNLOADABLE


def test_after_the_allowlist_the_status_is_notpassing_here_and_unavailable_there() -> None:
    theirs = _theirs(Platform.verifies_id, Platform.fails, Platform.is_allowlisted, Platform.leaves_allowlist)
    assert theirs.status is Status.UNAVAILABLE
    ours = _ours(
        ("day 3", "failing"),
        ("day 4", "allowlisted by ada"),
        ("day 5", "allowlist entry removed by ada"),
        without=("grade",),
    )
    assert ours.status is Status.NOTPASSING


def test_a_repeated_failing_value_takes_nothing_here_and_everything_there() -> None:
    theirs = _theirs(Platform.fails)
    theirs.status = Status.DOWNLOADABLE  # as imported
    theirs.fails()
    assert theirs.status is Status.NOTPASSING
    ours = _ours(("day 3", "failing"), ("day 4", "recorded downloadable"), ("day 5", "failing"), without=("grade",))
    assert ours.status is Status.DOWNLOADABLE


def test_a_repeated_passing_value_labels_nothing_here_that_the_first_did_not() -> None:
    # Invalidated before there was a certificate, and without a verified ID, it is created as unverified. That it
    # exists and is invalidated makes it unavailable: there with any next signal, here when the unmet rules change.
    theirs = _theirs(Platform.is_invalidated, Platform.passes)
    assert theirs.history == [Status.UNVERIFIED]
    theirs.passes()
    assert theirs.history == [Status.UNVERIFIED, Status.UNAVAILABLE]
    facts = [("day 2", "invalidated by ada"), ("day 4", "passing")]
    assert _ours(*facts, without=("ID verification",)).status is Status.UNVERIFIED
    same = _ours(*facts, ("day 5", "enrolled in professional"), without=("ID verification",))
    assert same.status is Status.UNVERIFIED
    changed = _ours(*facts, ("day 5", "failing"), without=("ID verification",))
    assert changed.status is Status.UNAVAILABLE


def test_a_failing_status_labels_an_invalidated_certificate_here_and_the_next_signal_there() -> None:
    theirs = _theirs(Platform.is_invalidated, Platform.passes, Platform.fails)
    assert theirs.history == [Status.UNVERIFIED]
    theirs.changes_mode("professional")
    assert theirs.history == [Status.UNVERIFIED, Status.UNAVAILABLE]
    facts = [("day 2", "invalidated by ada"), ("day 4", "passing"), ("day 5", "failing")]
    ours = _ours(*facts, without=("ID verification", "grade"))
    assert [change.status for change in ours.transitions] == [Status.UNVERIFIED, Status.UNAVAILABLE]


def test_an_id_verification_that_runs_out_labels_nobody_there_who_waits_for_something_else() -> None:
    # The platform looks only when a signal fires, and none does when time passes.
    theirs = _theirs(*QUALIFIES[:1], Platform.is_invalidated, Platform.passes)
    theirs.id_verified = False
    assert theirs.status is None
    ours = _ours(("day 1", "ID approved until day 9"), ("day 2", "invalidated by ada"), without=("ID verification",))
    assert ours.status is Status.UNVERIFIED


@pytest.mark.parametrize(
    ("hindrance", "its_end"),
    [
        ("beta tester added", "beta tester removed"),
        ("web certificates switched off", "web certificates switched on"),
    ],
)
def test_we_award_at_once_when_a_hindrance_goes_and_the_platform_at_its_next_signal(
    hindrance: str, its_end: str
) -> None:
    theirs = Platform(mode="verified", beta_tester="beta" in hindrance, web_certificates="off" not in hindrance)
    theirs.verifies_id()
    theirs.passes()
    theirs.beta_tester, theirs.web_certificates = False, True
    assert theirs.history == []
    theirs.passes()
    assert theirs.history == [Status.DOWNLOADABLE]
    ours = _ours(("day 2", hindrance), ("day 7", its_end))
    assert ours.certificate is not None
    assert ours.certificate.issued_at == instant("day 7")


def test_a_rejected_exam_is_an_invalidation_here_that_only_that_exam_lifts() -> None:
    rejected = ("day 5", "exam final rejected")
    assert _ours(rejected).status is Status.UNAVAILABLE
    assert _ours(rejected, ("day 6", "invalidation lifted by ada")).status is Status.UNAVAILABLE
    assert _ours(rejected, ("day 6", "exam final verified")).status is Status.DOWNLOADABLE
    assert _ours(("day 4", "allowlisted by ada"), rejected).status is Status.DOWNLOADABLE


def test_what_arrives_late_takes_its_place_in_the_past_here_and_acts_late_there() -> None:
    # The failing word was overtaken by the passing one that followed on it.
    assert _theirs(*QUALIFIES, Platform.passes, Platform.fails).status is Status.NOTPASSING
    ours = _ours(("day 5 00:30", "passing"), ("day 5", "failing"), hold=True)
    assert [change.status for change in ours.transitions] == [Status.DOWNLOADABLE]


def test_reinstated_the_date_is_the_old_one_here() -> None:
    # The platform shows when the row was last written; here it is when the certificate was earned.
    ours = _ours(("day 5", "invalidated by ada"), ("day 8", "invalidation lifted by ada"))
    assert ours.certificate is not None
    assert ours.certificate.issued_at == instant("day 8") - timedelta(days=5)


def test_the_model_of_the_platform_does_what_it_is_known_for() -> None:
    assert _theirs(Platform.passes).status is Status.UNVERIFIED
    assert _theirs(*QUALIFIES).status is Status.DOWNLOADABLE
    assert _theirs(*QUALIFIES, Platform.is_invalidated, Platform.is_revalidated).status is Status.DOWNLOADABLE
    assert _theirs(Platform.fails).status is None

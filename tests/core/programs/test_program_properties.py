"""What holds of programs for every history: order, duplicates, definitions, as-of, and what may take one away."""

from datetime import timedelta
from itertools import product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from certrules.core.fact_types import Fact
from certrules.core.policy import DEFAULT, undated
from certrules.core.programs.certificates import CertificateChange
from certrules.core.programs.deciding import decide_program, decide_programs
from certrules.core.programs.definitions import DatedDefinition, ProgramStatus, merge_definitions
from certrules.core.programs.kill_switches import KillSwitches
from certrules.core.programs.outcome import ProgramAction, ProgramOutcome
from certrules.core.programs.reasons import HELD, ProgramCause, ProgramCertificateStatus
from certrules.core.terms import RevocationAction, Status
from certrules.core.timeline import Entry
from tests.scenes.phrases import instant
from tests.scenes.programs import definition

POLICIES = undated(DEFAULT)
START, END = instant("day 1"), instant("day 40")
AWARDED = ProgramCertificateStatus.AWARDED

hours = st.integers(0, 24 * 30).map(lambda n: START + timedelta(hours=n / 2))
RUNS = ("r1", "r2", "r3", "r4")
runs = st.lists(st.sampled_from(RUNS), max_size=3, unique=True)
described = st.fixed_dictionaries(
    {
        "status": st.sampled_from(["active", "active", "active", "retired", "unpublished", "deleted"]),
        "modes": st.sampled_from([None, None, ["masters"], ["honor", "verified"]]),
        "courses": st.dictionaries(st.sampled_from("ABC"), runs, max_size=3),
    }
)
definitions = st.lists(
    st.builds(DatedDefinition, hours, st.uuids().map(str), described.map(definition)), min_size=1, max_size=5
)


@st.composite
def changes(draw: st.DrawFn) -> tuple[CertificateChange, ...]:
    """Draw the changes of one certificate. One that is reinstated has the date of before."""
    found: list[CertificateChange] = []
    earned_at = None
    for at in sorted(draw(st.sets(hours, max_size=5))):
        status = draw(
            st.sampled_from([Status.DOWNLOADABLE, Status.DOWNLOADABLE, Status.NOTPASSING, Status.UNAVAILABLE])
        )
        if status is Status.DOWNLOADABLE and (earned_at is None or (found[-1].status is Status.NOTPASSING)):
            earned_at = at
        mode = draw(st.sampled_from(["verified", "verified", "masters", "honor"]))
        found.append(CertificateChange(at, status, mode, earned_at or at))
    return tuple(found)


certificates = st.dictionaries(st.sampled_from(["r1", "r2", "r3", "r4"]), changes(), min_size=1)


def decided(given_definitions: Any, held: Any, until: Any = END) -> ProgramOutcome:
    return decide_program(merge_definitions((), given_definitions), held, until, POLICIES)


@given(definitions, certificates, st.randoms())
def test_the_order_and_the_duplicates_of_definitions_make_no_difference(
    entries: list[DatedDefinition], held: Any, random: Any
) -> None:
    shuffled = [*entries, *random.sample(entries, len(entries) // 2)]
    random.shuffle(shuffled)
    timeline = merge_definitions((), entries)
    pieces = merge_definitions(merge_definitions((), shuffled[:2]), shuffled[2:])
    assert pieces == timeline
    assert merge_definitions(timeline, shuffled) is timeline
    assert decided(shuffled, dict(reversed(held.items()))) == decided(entries, held)


@given(definitions, certificates)
def test_only_a_lost_course_takes_a_program_certificate_away_without_a_person(
    entries: list[DatedDefinition], held: Any
) -> None:
    outcome = decided(entries, held)
    revoked = [item for item in outcome.transitions if item.status is not AWARDED]
    assert {item.cause for item in revoked} <= {ProgramCause.COURSE_LOST}
    changed_at = {change.at for changed in held.values() for change in changed[1:]}
    assert {item.at - DEFAULT.hold for item in revoked} <= changed_at  # when the hold began, a certificate changed


actions = st.lists(
    st.builds(
        ProgramAction,
        hours,
        st.uuids().map(str),
        st.sampled_from(RevocationAction),
        st.sampled_from(ProgramCause),
        st.sampled_from(["ada", "system:breaker", ""]),
    ),
    max_size=6,
)


@given(definitions, certificates, actions, st.booleans(), st.booleans())
def test_what_a_definition_changed_is_taken_away_by_people_alone_and_what_the_switch_stops_by_nobody_else(
    entries: list[DatedDefinition], held: Any, acted: list[ProgramAction], is_stopped: bool, of_runs: bool
) -> None:
    stopped = (Entry(START, "switch", Fact.AUTOMATIC_REVOCATIONS, "", value=False),) if is_stopped else ()
    switches = KillSwitches((), dict.fromkeys(RUNS, stopped)) if of_runs else KillSwitches(stopped)
    timeline = merge_definitions((), entries)
    outcome = decide_program(timeline, held, END, POLICIES, acted, switches=switches)
    assert outcome == decide_program(timeline, held, END, POLICIES, [*acted, *reversed(acted)], switches=switches)
    for item in outcome.transitions:
        if item.status is not AWARDED and (is_stopped or item.cause is not ProgramCause.COURSE_LOST):
            assert item.actor.by == "ada"
            assert any(
                (action.at, action.cause, action.action) == (item.at, item.cause, RevocationAction.RELEASED)
                for action in acted
            )


@given(definitions, certificates)
def test_whatever_definitions_come_later_who_loses_no_certificate_loses_no_program(
    entries: list[DatedDefinition], held: Any
) -> None:
    lasting = {
        run: changed[:1] for run, changed in held.items() if changed[:1] and changed[0].status is Status.DOWNLOADABLE
    }
    outcome = decided(entries, lasting)
    assert [item.status for item in outcome.transitions] in ([], [AWARDED])
    if outcome.pending is not None:
        assert outcome.pending.cause in HELD
        assert outcome.pending.due is None


@given(definitions, certificates)
def test_awards_and_revocations_alternate_and_dates_go_together(entries: list[DatedDefinition], held: Any) -> None:
    outcome = decided(entries, held)
    statuses = [item.status for item in outcome.transitions]
    assert statuses == [AWARDED if n % 2 == 0 else ProgramCertificateStatus.REVOKED for n in range(len(statuses))]
    assert outcome.status == (statuses[-1] if statuses else None)
    assert [item.at for item in outcome.transitions] == sorted(item.at for item in outcome.transitions)
    assert (outcome.awarded_at is None) is (outcome.first_awarded_at is None) is (not statuses)
    for before, after in zip(outcome.transitions, outcome.transitions[1:], strict=False):
        assert after.first_awarded_at == before.first_awarded_at
        if after.cause is not ProgramCause.EARNED:
            assert after.awarded_at == before.awarded_at


@given(definitions, certificates, hours)
def test_as_of_an_instant_the_history_is_the_same_as_later(
    entries: list[DatedDefinition], held: Any, until: Any
) -> None:
    if until < min(entry.at for entry in entries):
        with pytest.raises(ValueError, match="no definition yet"):
            decided(entries, held, until)
        return
    early = decided(entries, held, until).transitions
    assert decided(entries, held).transitions[: len(early)] == early
    assert all(item.at <= until for item in early)


@given(definitions, certificates)
def test_who_is_awarded_lacks_nothing_and_who_is_not_lacks_something(entries: list[DatedDefinition], held: Any) -> None:
    outcome = decided(entries, held)
    newest = outcome.definition.definition
    if outcome.status is AWARDED:
        assert outcome.reasons == ()
        satisfied = newest.status in {ProgramStatus.ACTIVE, ProgramStatus.RETIRED} and newest.courses
        assert outcome.pending is None or not satisfied or None in outcome.courses.values()
    else:
        assert outcome.pending is None
        assert outcome.reasons
    assert list(outcome.courses) == [course.key for course in newest.courses]


@given(definitions, certificates, st.sampled_from(["r1", "r2", "r3", "r4"]))
def test_one_certificate_more_takes_no_program_away(entries: list[DatedDefinition], held: Any, run: str) -> None:
    more = {**held, run: (CertificateChange(START, Status.DOWNLOADABLE, "verified", START),)}
    lasting = {key: changed[:1] for key, changed in more.items() if key == run or changed[:1]}
    without = {key: changed for key, changed in lasting.items() if key != run}
    if decided(entries, without).status is AWARDED:
        assert decided(entries, lasting).status is AWARDED


@given(st.lists(definitions, max_size=4), certificates)
def test_several_programs_are_decided_like_each_alone(programs: list[list[DatedDefinition]], held: Any) -> None:
    timelines = []
    for number, entries in enumerate(programs):
        own = f"{number:08}-0000-4000-8000-000000000000"
        named = [entry._replace(definition=entry.definition._replace(uuid=own)) for entry in entries]
        timelines.append(merge_definitions((), named))
    outcomes = decide_programs(reversed(timelines), held, END, POLICIES)
    concerned = [
        timeline
        for timeline in timelines
        if any(run in held for entry in timeline for course in entry.definition.courses for run in course.course_runs)
    ]
    assert outcomes == tuple(decide_program(timeline, held, END, POLICIES) for timeline in concerned)


# --- all cases of a small program

WHEN = [None, "day 3", "day 5"]
LOST = [None, "day 8", "day 8 00:30"]


@pytest.mark.parametrize("is_retired", [False, True])
def test_every_small_history_is_decided_as_one_would_by_hand(is_retired: bool) -> None:
    """Course A with a1 and a2, course B with b1: each certificate is earned or not, and lost within one hold or not."""
    program = [DatedDefinition(START, "1", definition({"status": "retired"} if is_retired else {}))]
    one = [(earned, lost) for earned, lost in product(WHEN, LOST) if earned or not lost]
    for a1, a2, b1 in product(one, repeat=3):
        held = {}
        for run, (earned, lost) in (("a1", a1), ("a2", a2), ("b1", b1)):
            since = instant(earned) if earned else START
            held[run] = (
                *([CertificateChange(since, Status.DOWNLOADABLE, "verified", since)] if earned else []),
                *([CertificateChange(instant(lost), Status.UNAVAILABLE, "verified", since)] if lost else []),
            )
        outcome = decided(program, held)
        completed = (a1[0] or a2[0]) and b1[0]
        stays = ((a1[0] and not a1[1]) or (a2[0] and not a2[1])) and not b1[1]
        assert outcome.status == (None if not completed else AWARDED if stays else ProgramCertificateStatus.REVOKED)
        if completed:
            first_a = min(instant(earned) for earned in (a1[0], a2[0]) if earned)
            assert outcome.awarded_at == max(first_a, instant(str(b1[0])))
        if completed and not stays:
            both_a = max((instant(lost) if lost else END) for earned, lost in (a1, a2) if earned)
            went = min(both_a, instant(b1[1]) if b1[1] else END)
            assert outcome.transitions[-1].at == went + DEFAULT.hold

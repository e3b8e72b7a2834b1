"""What becomes of program certificates, seen before a course certificate is taken away or shown later."""

from typing import Any

import pytest

from certrules.core.explain.programs import action_sentences, hidden_sentence, preview_sentences
from certrules.core.policy import DEFAULT, undated
from certrules.core.programs.deciding import decide_program
from certrules.core.programs.preview import ActionPreview, ProgramsPreview, preview_action, preview_programs
from certrules.core.programs.publication import PublishedProgram, next_program_publication
from tests.scenes.phrases import instant
from tests.scenes.programs import UUID, action, certificates_of, switches_of, timeline_of

NOW = "day 20"
POLICIES = undated(DEFAULT)
BOTH = {"a1": ["day 3 downloadable"], "b1": ["day 5 downloadable"]}
WITH_SPARE = {**BOTH, "a2": ["day 6 downloadable"]}
DUE = instant(NOW) + DEFAULT.hold


def previewed(
    certificates: Any, *lost: str, shown_from: Any = (), published: PublishedProgram | None = None, **case: Any
) -> ProgramsPreview:
    case["certificates"] = certificates
    timeline, held, now = timeline_of(case), certificates_of(case), instant(NOW)
    if published is None:
        published = next_program_publication(
            PublishedProgram(), decide_program(timeline, held, now, POLICIES), now
        ).published
    return preview_programs(
        [timeline],
        held,
        now,
        POLICIES,
        {UUID: published},
        lost=lost,
        shown_from=dict(shown_from),
        switches=switches_of(case),
    )


def sentences(*arguments: Any, **case: Any) -> list[str]:
    return list(preview_sentences(previewed(*arguments, **case)))


def test_a_program_falls_after_the_hold_when_the_only_certificate_of_a_course_is_lost() -> None:
    (falls,) = previewed(BOTH, "a1").falling
    assert (falls.program, falls.title, falls.courses, falls.due) == (UUID, "MicroData", ("A",), DUE)
    assert sentences(BOTH, "a1") == [
        "MicroData: the program certificate falls on 20 January 2026 at 01:00 UTC because nothing satisfies A any more."
    ]


def test_a_program_survives_when_another_run_carries_the_course() -> None:
    assert sentences(WITH_SPARE, "a1") == ["MicroData: the program certificate stays because A is carried by a2."]
    assert sentences(WITH_SPARE, "a2") == ["MicroData: the program certificate stays because A is carried by a1."]


def test_a_program_falls_when_both_runs_are_lost_at_once() -> None:
    preview = previewed(WITH_SPARE, "a1", "a2")
    assert [item.courses for item in preview.falling] == [("A",)]
    assert preview.surviving == ()


@pytest.mark.parametrize(
    ("certificates", "lost", "case"),
    [
        ({"a1": ["day 3 downloadable"]}, "a1", {}),  # it was never awarded
        (BOTH, "elsewhere", {}),
        ({**BOTH, "a2": ["day 6 notpassing"]}, "a2", {}),  # there is nothing to lose
        ({**BOTH, "a2": ["day 6 downloadable in audit"]}, "a2", {}),  # it never counted
        ({}, "a1", {}),  # the learner has no record in any of its course runs
        (BOTH, "a1", {"then": [{"day 7": {"courses": {"B": ["b1"]}}}]}),  # the course is demanded no more
    ],
)
def test_whoever_loses_nothing_of_a_program_is_not_named(certificates: Any, lost: str, case: Any) -> None:
    assert previewed(certificates, lost, **case) == ProgramsPreview()


def test_a_run_that_a_newer_definition_leaves_out_still_carries_until_it_is_lost() -> None:
    (falls,) = previewed(BOTH, "a1", then=[{"day 7": {"courses": {"A": ["a2"], "B": ["b1"]}}}]).falling
    assert (falls.courses, falls.due) == (("A",), DUE)


def test_without_a_hold_it_falls_at_once() -> None:
    timeline, held = timeline_of({}), certificates_of({"certificates": BOTH})
    policies = undated(DEFAULT.__replace__(hold=DEFAULT.hold * 0))
    preview = preview_programs([timeline], held, instant(NOW), policies, {}, lost=["b1"])
    assert [(item.courses, item.due) for item in preview.falling] == [(("B",), instant(NOW))]


def test_what_the_kill_switch_stops_falls_when_a_person_decides() -> None:
    assert sentences(BOTH, "a1", switch=["day 7 stopped"]) == [
        "MicroData: the program certificate falls when a person decides because nothing satisfies A any more."
    ]


def test_what_the_kill_switch_of_the_course_run_stops_falls_when_a_person_decides() -> None:
    assert "falls when a person decides" in sentences(BOTH, "a1", switch=["a1: day 7 stopped"])[0]
    assert "falls on" in sentences(BOTH, "a1", switch=["b1: day 7 stopped"])[0]


def test_what_is_retained_already_is_lost_by_nothing_more() -> None:
    timeline, now = timeline_of({}), instant(NOW)
    outcome = decide_program(timeline, certificates_of({"certificates": BOTH}), now, POLICIES)
    published = next_program_publication(PublishedProgram(), outcome, now).published
    assert previewed({"b1": BOTH["b1"]}, "b1", published=published) == ProgramsPreview()


def test_a_run_with_a_future_date_hides_a_program_certificate_that_is_held_already() -> None:
    later = {"a2": instant("day 40"), "b1": instant("day 30"), "elsewhere": instant("day 90")}
    (sentence,) = sentences(WITH_SPARE, shown_from=later)
    assert sentence == (
        "MicroData: the program certificate stays and is hidden until 9 February 2026 at 00:00 UTC, "
        "the available date of a2."
    )
    assert previewed(WITH_SPARE, shown_from={"a2": instant("day 19")}).hidden == ()
    (hidden,) = previewed(WITH_SPARE, shown_from=later).hidden
    assert hidden_sentence(hidden).startswith("It is hidden until 9 February 2026 at 00:00 UTC, the available date of")


def test_a_loss_that_a_person_discarded_makes_nothing_fall() -> None:
    timeline, now = timeline_of({}), instant(NOW)
    held = certificates_of({"certificates": {**BOTH, "a1": ["day 3 downloadable", "day 19 23:30 unavailable"]}})
    acts = [action("day 19 23:45 course_lost discarded by ada")]
    published = next_program_publication(
        PublishedProgram(), decide_program(timeline, held, now, POLICIES, acts), now, acts
    ).published
    found = preview_programs([timeline], held, now, POLICIES, {UUID: published}, {UUID: acts}, lost=["a1"])
    assert (published.pending, found) == (None, ProgramsPreview())


# --- what a person does with a pending revocation


LOST = {"a1": ["day 3 downloadable", "day 19 23:30 unavailable"], "b1": ["day 5 downloadable"]}


def acted(what: str, certificates: Any = LOST, published: PublishedProgram | None = None) -> ActionPreview:
    return preview_action(
        timeline_of({}),
        certificates_of({"certificates": certificates}),
        instant(NOW),
        POLICIES,
        published or PublishedProgram(),
        actions=[],
        action=action(f"{NOW} {what} by ada"),
    )


def test_a_release_names_what_falls_and_what_stays() -> None:
    preview = acted("course_lost released")
    assert (preview.before, preview.after, preview.takes_away, preview.pending) == ("awarded", "revoked", True, None)
    first, *rest = action_sentences(preview)
    assert first == (
        "MicroData: the program certificate is revoked at once because a course is no longer satisfied by any "
        "certificate."
    )
    assert rest == [
        "A: nothing satisfies it any more.",
        "B: it stays carried by the certificate in b1.",
        "The certificates in course runs, and other program certificates, stay as they are.",
    ]


def test_a_discard_and_a_hold_take_nothing_away() -> None:
    discarded, held = acted("course_lost discarded"), acted("course_lost held")
    assert (discarded.after, discarded.takes_away, discarded.pending) == ("awarded", False, None)
    assert "the program certificate stays, although a course" in action_sentences(discarded)[0]
    assert (held.after, held.pending and held.pending.due) == ("awarded", None)
    assert action_sentences(held)[0].endswith("its revocation is pending until a person decides.")


def test_a_release_of_what_was_never_earned_takes_it_away() -> None:
    outcome = decide_program(timeline_of({}), certificates_of({"certificates": BOTH}), instant("day 9"), POLICIES)
    published = next_program_publication(PublishedProgram(), outcome, instant("day 9")).published
    preview = acted("never_earned released", {"b1": BOTH["b1"]}, published)
    assert (preview.takes_away, preview.unmet) == (True, ("A",))
    assert action_sentences(preview)[0].endswith("because facts that came late show that it was never earned.")

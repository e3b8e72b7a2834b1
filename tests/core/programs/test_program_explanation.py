"""Which course of a program is carried by what since when, what is missing, and what would complete it."""

from typing import Any

import pytest

from certrules.core.explain.programs import BECAUSE, BY_PERSON, ProgramExplanation, explain_program
from certrules.core.explain.rendering import as_json, program_as_text
from certrules.core.policy import DEFAULT, undated
from certrules.core.programs.deciding import decide_program
from certrules.core.programs.outcome import ProgramOutcome
from certrules.core.programs.publication import PublishedProgram, next_program_publication
from certrules.core.programs.reasons import REASONS, ProgramCause, ProgramReason
from tests.scenes.phrases import instant
from tests.scenes.programs import UUID, action, certificates_of, timeline_of

BOTH = {"a1": ["day 3 downloadable"], "b1": ["day 5 downloadable"]}
LOST = {"a1": ["day 3 downloadable", "day 8 unavailable"], "b1": ["day 5 downloadable"]}
POLICIES = undated(DEFAULT)


def outcome_of(certificates: Any, until: str = "day 30", *actions: str, **case: Any) -> ProgramOutcome:
    case["certificates"] = certificates
    acts = [action(text) for text in actions]
    return decide_program(timeline_of(case), certificates_of(case), instant(until), POLICIES, acts)


def explained(certificates: Any, until: str = "day 30", *actions: str, **case: Any) -> ProgramExplanation:
    outcome = outcome_of(certificates, until, *actions, **case)
    return explain_program(7, outcome, certificates_of({"certificates": certificates}), instant(until))


def test_a_completed_program_is_explained_by_what_carries_each_course() -> None:
    found = explained(BOTH)
    assert program_as_text(found).splitlines() == [
        f"Learner 7 in the program MicroData ({UUID}, MicroMasters)",
        "As of 30 January 2026 at 00:00 UTC, by the definition of 1 January 2026 at 00:00 UTC",
        "",
        "The program certificate is awarded; the program was completed on 5 January 2026 at 00:00 UTC.",
        "",
        "Its courses:",
        "  A: carried by the certificate in a1, earned on 3 January 2026 at 00:00 UTC.",
        "  B: carried by the certificate in b1, earned on 5 January 2026 at 00:00 UTC.",
    ]
    body = as_json(found)
    assert (body["status"], body["awarded_at"], body["reasons"]) == ("awarded", "2026-01-05T00:00:00Z", [])
    assert body["courses"][0] == {
        "course": "A",
        "course_run": "a1",
        "since": "2026-01-03T00:00:00Z",
        "reason": None,
        "sentence": "A: carried by the certificate in a1, earned on 3 January 2026 at 00:00 UTC.",
        "remedy": "",
        "course_runs": ["a1", "a2"],
    }


def test_what_is_missing_is_named_with_what_would_complete_it() -> None:
    program = {"courses": {"A": ["a1", "a2"], "B": ["b1"], "C": [], "D": ["d1", "d2"]}, "modes": ["verified"]}
    found = explained({"b1": ["day 3 downloadable in honor"], "d1": ["day 4 unverified"]}, program=program)
    assert found.sentence == (
        "There is no program certificate because 4 of 4 courses are not satisfied (A, B, C and D)."
    )
    assert [finding.sentence for finding in found.courses] == [
        "A: the learner has no certificate in any of its course runs.",
        "B: the learner's certificate is in a mode that the program does not accept in b1 (honor).",
        "C: the definition lists no course runs.",
        "D: the learner's certificate is not downloadable in d1 (unverified).",
    ]
    assert found.next_steps == (
        "A: The learner earns one in any of them. They are a1 and a2.",
        f"B: {REASONS[ProgramReason.MODE_NOT_ACCEPTED].remedy} Accepted: verified. Course runs: b1.",
        f"C: {REASONS[ProgramReason.NO_COURSE_RUNS].remedy}",
        f"D: {REASONS[ProgramReason.CERTIFICATE_NOT_DOWNLOADABLE].remedy}",
    )
    assert found.reasons == tuple(sorted({finding.reason for finding in found.courses if finding.reason}))


@pytest.mark.parametrize(
    ("program", "because", "step"),
    [
        ({"status": "unpublished"}, "the program is unpublished", ProgramReason.PROGRAM_UNPUBLISHED),
        ({"status": "deleted"}, "the program is deleted", ProgramReason.PROGRAM_DELETED),
        ({"courses": {}}, "its definition lists no courses", ProgramReason.NO_COURSES),
    ],
)
def test_a_program_that_nobody_can_complete_is_explained_by_its_definition(
    program: Any, because: str, step: ProgramReason
) -> None:
    found = explained(BOTH, program=program)
    assert found.sentence == f"There is no program certificate because {because}."
    assert found.next_steps == (REASONS[step].remedy,)


def test_a_pending_loss_has_its_cause_its_due_time_and_what_keeps_the_certificate() -> None:
    found = explained(LOST, "day 8")
    assert found.sentence == (
        "The program certificate is awarded; the program was completed on 5 January 2026 at 00:00 UTC; its revocation "
        "has been pending since 8 January 2026 at 00:00 UTC because a course is no longer satisfied by any "
        "certificate, and takes effect on 8 January 2026 at 01:00 UTC unless one satisfies it first."
    )
    assert found.next_steps[0] == "The learner earns a certificate in the course, or gets the lost one back."
    assert found.next_steps[1].startswith("A: The explanation of the certificate")


def test_a_revoked_certificate_names_when_and_why() -> None:
    assert explained(LOST).sentence == (
        "The program certificate was revoked on 8 January 2026 at 01:00 UTC because a course is no longer satisfied by "
        "any certificate."
    )
    assert explained(LOST, "day 9", "day 8 0:30 course_lost released by ada").sentence.endswith(
        'because a course is no longer satisfied by any certificate (by ada, with the note "because").'
    )


def test_what_a_definition_changed_is_held_for_a_person() -> None:
    grown = [{"day 7": {"courses": {"A": ["a1"], "B": ["b1"], "C": ["c1"]}}}]
    found = explained(BOTH, then=grown)
    assert found.sentence.endswith(
        "its revocation is held for a person to decide because the definition changed, and the certificates don't "
        "satisfy the new one."
    )
    assert found.next_steps == (
        "It stays. If the definition is wrong, whoever runs the catalog corrects it.",
        "C: The learner earns one in any of them. They are c1.",
        BY_PERSON,
    )
    emptied = explained(BOTH, then=[{"day 7": {"courses": {}}}])
    assert emptied.next_steps == (REASONS[ProgramReason.NO_COURSES].remedy, BY_PERSON)


def test_what_is_published_is_explained_as_the_learner_has_it() -> None:
    published = next_program_publication(PublishedProgram(), outcome_of(BOTH), instant("day 30")).published
    held = {"b1": BOTH["b1"]}
    found = explain_program(
        7, outcome_of(held), certificates_of({"certificates": held}), instant("day 31"), published=published
    )
    assert found.sentence == (
        "The program certificate stays awarded as it was published; the program was completed on 5 January 2026 at "
        "00:00 UTC; its revocation is held for a person to decide because facts that came late show that it was never "
        "earned."
    )
    assert (found.status, found.awarded_at, found.reasons) == ("awarded", instant("day 5"), ())
    assert found.next_steps[0].startswith("It stays.")
    acts = [action("day 31 never_earned discarded by ada")]
    discarded = explain_program(
        7, outcome_of(held), certificates_of({"certificates": held}), instant("day 32"), published, acts
    )
    assert (discarded.status, discarded.pending, discarded.next_steps) == ("awarded", None, ())


def test_a_program_without_a_type_is_named_by_its_title() -> None:
    text = program_as_text(explained(BOTH)._replace(type=""))
    assert text.startswith(f"Learner 7 in the program MicroData ({UUID})\n")


def test_every_cause_can_be_explained() -> None:
    assert BECAUSE.keys() == set(ProgramCause)

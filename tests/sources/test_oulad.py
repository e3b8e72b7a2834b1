"""The importer, on tables made up here for the rules of the map, and on the real ones for their counts."""

import gzip
import json
from collections import Counter, defaultdict
from datetime import UTC, datetime
from pathlib import Path

import pytest

from certrules.core.certificate import Outcome
from certrules.core.facts import Record
from certrules.core.policy import DEFAULT, undated
from certrules.core.replay import replay
from certrules.core.timeline import Entry, merge
from certrules.formats.events_in import decode
from certrules.formats.messages import Message
from certs.sources.event_builders import Detail
from certs.sources.oulad import Difference, LearnerInRun, OuladComparison, compare, oulad, own_outcome

EDX = "org.openedx.learning."
RUN = "course-v1:OU+AAA+2013J"
LATER_RUN = "course-v1:OU+BBB+2014B"

TABLES = {
    "courses.csv": """\
code_module,code_presentation,module_presentation_length
AAA,2013J,100
BBB,2014B,50
""",
    "assessments.csv": """\
code_module,code_presentation,id_assessment,assessment_type,date,weight
AAA,2013J,1,TMA,10,25.0
AAA,2013J,2,TMA,40,75.0
AAA,2013J,3,CMA,50,0.0
AAA,2013J,4,Exam,,100.0
BBB,2014B,5,Exam,50,100.0
""",
    "studentAssessment.csv": """\
id_assessment,id_student,date_submitted,is_banked,score
1,1,12,0,80
2,1,41,0,60
3,1,60,0,100
1,2,9,0,40
2,2,45,0,
1,4,-1,1,50
""",
    "studentInfo.csv": """\
code_module,code_presentation,id_student,num_of_prev_attempts,studied_credits,final_result
AAA,2013J,1,0,60,Pass
AAA,2013J,2,0,60,Fail
AAA,2013J,3,0,60,Withdrawn
AAA,2013J,4,1,60,Withdrawn
AAA,2013J,5,0,60,Withdrawn
BBB,2014B,1,0,60,Distinction
""",
    "studentRegistration.csv": """\
code_module,code_presentation,id_student,date_registration,date_unregistration
AAA,2013J,1,-20,
AAA,2013J,2,,
AAA,2013J,3,,-30
AAA,2013J,4,7,7
AAA,2013J,5,-1,
BBB,2014B,1,0,
""",
}


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with small tables in the form of the real ones."""
    folder = tmp_path_factory.mktemp("oulad")
    for name, content in TABLES.items():
        if name == "courses.csv":
            (folder / name).write_text(content)
        else:
            (folder / f"{name}.gz").write_bytes(gzip.compress(content.encode()))
    return folder


def reported(details: list[Detail], learner_id: int, course_run: str = RUN) -> list[str]:
    """The events of a learner in a run: when, and which type of event."""
    messages = [message for message in map(taken_in, details) if message.learner_id == learner_id]
    return [
        f"{message.at:%Y-%m-%d} {message.event_type.removeprefix(EDX)}"
        for message in messages
        if message.course_run == course_run
    ]


def taken_in(detail: Detail) -> Message:
    message = decode(json.dumps(detail), received_at=datetime.now(UTC))
    assert message is not None
    return message


def test_a_learner_registers_is_marked_and_gets_a_result(tables: Path) -> None:
    assert reported(list(oulad(tables)), 1) == [
        "2013-09-11 course.enrollment.created.v1",
        "2013-11-11 course.persistent_grade_summary.changed.v1",
        "2014-01-09 course.passing.status.updated.v1",
    ]


def test_a_february_run_starts_in_february(tables: Path) -> None:
    assert reported(list(oulad(tables)), 1, LATER_RUN) == [
        "2014-02-01 course.enrollment.created.v1",
        "2014-03-23 course.passing.status.updated.v1",
    ]


def test_an_unknown_registration_is_dated_at_the_start_of_the_run(tables: Path) -> None:
    assert reported(list(oulad(tables)), 2)[0] == "2013-10-01 course.enrollment.created.v1"


def test_an_unknown_registration_never_comes_after_the_withdrawal(tables: Path) -> None:
    assert reported(list(oulad(tables)), 3) == [
        "2013-09-01 course.enrollment.created.v1",
        "2013-09-01 course.unenrollment.completed.v1",
    ]


def test_who_registers_and_withdraws_on_one_day_does_so_in_this_order(tables: Path) -> None:
    assert reported(list(oulad(tables)), 4) == [
        "2013-09-30 course.persistent_grade_summary.changed.v1",  # a mark from an earlier attempt
        "2013-10-08 course.enrollment.created.v1",
        "2013-10-08 course.unenrollment.completed.v1",
    ]


def test_an_unknown_withdrawal_is_dated_at_the_end_of_the_run(tables: Path) -> None:
    assert reported(list(oulad(tables)), 5)[1:] == ["2014-01-09 course.unenrollment.completed.v1"]


def test_a_mark_weighs_what_was_scored_by_anyone_and_has_no_letter(tables: Path) -> None:
    grades = {
        detail["grade"]["user_id"]: (detail["grade"]["percent_grade"], detail["grade"]["letter_grade"])
        for detail in oulad(tables)
        if "grade" in detail
    }
    assert grades == {1: (0.65, ""), 2: (0.1, ""), 4: (0.125, "")}


def test_course_runs_are_configured_before_anything_happens(tables: Path) -> None:
    details = list(oulad(tables))
    assert [detail["course_run"] for detail in details[:2]] == [
        {
            "course_key": course_run,
            "web_certificates_enabled": True,
            "end": end,
            "self_paced": False,
            "policy": "open-edx",
        }
        for course_run, end in ((RUN, "2014-01-09T23:00:00+00:00"), (LATER_RUN, "2014-03-23T23:00:00+00:00"))
    ]
    assert taken_in(details[0]).at < taken_in(details[2]).at


def test_the_same_tables_give_the_same_events_oldest_first(tables: Path) -> None:
    details = list(oulad(tables))
    assert details == list(oulad(tables))
    times = [detail["metadata"]["time"] for detail in details]
    assert times == sorted(times)
    assert len({detail["metadata"]["id"] for detail in details}) == len(details)


def test_a_missing_table_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"courses\.csv"):
        list(oulad(tmp_path))


# --- the comparison


def test_outcomes_agree_with_the_certificates_that_they_amount_to(tables: Path) -> None:
    comparison = compare(own_outcome(tables), certified(list(oulad(tables))))
    expected = {"Pass": 1, "Distinction": 1, "Fail": 1, "Withdrawn": 3}
    assert comparison == OuladComparison(agreeing=expected, differences=())
    assert comparison.total == 6


@pytest.mark.parametrize(
    ("outcome", "certificate", "explanation"),
    [
        ("Pass", (None, ["no_grade"]), "Passed, but without a certificate. The final result has not arrived"),
        ("Distinction", ("notpassing", ["not_passed"]), "The last passing status that arrived"),
        ("Pass", (None, ["course_run_unknown", "no_grade"]), "The configuration of the course run has not"),
        ("Pass", ("unavailable", ["invalidated"]), "Rules that the data knows nothing of"),
        ("Pass", ("downloadable", ["no_grade"]), "contradict each other"),
        ("Fail", ("downloadable", []), "By an event the learner passed, and by the data not"),
        ("Fail", (None, ["no_grade"]), "No certificate, as the data has it, but for other reasons."),
        ("Withdrawn", (None, []), "Nothing was received about the learner"),
        ("Withdrawn", None, "Nothing was received about the learner"),
        (None, ("downloadable", []), "The data has no such learner"),
    ],
)
def test_every_difference_is_explained(
    outcome: str | None, certificate: tuple[str | None, list[str]] | None, explanation: str
) -> None:
    who = (7, RUN)
    comparison = compare({who: outcome} if outcome else {}, {who: certificate} if certificate else {})
    (difference,) = comparison.differences
    assert explanation in difference.explanation
    assert (difference.outcome, difference.count, difference.examples) == (outcome, 1, (who,))


def test_differences_of_a_kind_are_counted_together_and_the_frequent_ones_come_first() -> None:
    outcomes = {(learner_id, RUN): "Pass" if learner_id < 9 else "Fail" for learner_id in range(1, 11)}
    comparison = compare(outcomes, dict.fromkeys(outcomes, (None, ["no_grade"])))
    assert [(found.outcome, found.count) for found in comparison.differences] == [("Pass", 8), ("Fail", 2)]
    assert comparison.differences[0].examples == tuple((learner_id, RUN) for learner_id in range(1, 6))
    assert comparison.total == 10
    assert isinstance(comparison.differences[0], Difference)


# --- the real tables


@pytest.fixture(scope="module")
def real(shared_data: Path) -> tuple[Path, list[Detail]]:
    folder = shared_data / "oulad"
    return folder, list(oulad(folder))


def test_the_real_tables_are_reported_whole(real: tuple[Path, list[Detail]]) -> None:
    _, details = real
    assert Counter(detail["metadata"]["event_type"] for detail in details) == {
        "certificates.course_run.configured.v1": 22,
        f"{EDX}course.enrollment.created.v1": 32_593,
        f"{EDX}course.unenrollment.completed.v1": 10_165,
        f"{EDX}course.persistent_grade_summary.changed.v1": 23_484,
        f"{EDX}course.passing.status.updated.v1": 22_437,
    }
    times = [detail["metadata"]["time"] for detail in details]
    assert times == sorted(times)
    assert (times[0], times[-1]) == ("2012-03-27T08:00:00+00:00", "2015-07-13T12:00:00+00:00")
    assert len({detail["metadata"]["id"] for detail in details}) == len(details)


def test_the_real_outcomes_agree_with_the_certificates(real: tuple[Path, list[Detail]]) -> None:
    folder, details = real
    comparison = compare(own_outcome(folder), certified(details))
    assert comparison.differences == ()
    assert comparison.agreeing == {"Pass": 12_361, "Distinction": 3_024, "Fail": 7_052, "Withdrawn": 10_156}


def test_the_marks_alone_would_decide_otherwise(real: tuple[Path, list[Detail]]) -> None:
    folder, details = real
    marks = {
        (detail["grade"]["user_id"], detail["grade"]["course"]["course_key"]): detail["grade"]["percent_grade"]
        for detail in details
        if "grade" in detail
    }
    outcomes = own_outcome(folder)
    counts = Counter((outcome, "none" if who not in marks else marks[who] >= 0.4) for who, outcome in outcomes.items())
    assert counts == {
        ("Distinction", True): 2_628,
        ("Distinction", "none"): 396,
        ("Pass", True): 11_080,
        ("Pass", False): 160,
        ("Pass", "none"): 1_121,
        ("Fail", True): 1_699,
        ("Fail", False): 3_494,
        ("Fail", "none"): 1_859,
        ("Withdrawn", True): 259,
        ("Withdrawn", False): 4_164,
        ("Withdrawn", "none"): 5_733,
    }


def certified(details: list[Detail]) -> dict[LearnerInRun, tuple[str | None, list[str]]]:
    """What the core makes of the events, without any cloud."""
    of_run: defaultdict[str, list[Entry]] = defaultdict(list)
    of_learner: defaultdict[LearnerInRun, list[Entry]] = defaultdict(list)
    for message in map(taken_in, details):
        assert message.course_run is not None
        if message.learner_id is None:
            of_run[message.course_run] += message.entries
        else:
            of_learner[message.learner_id, message.course_run] += message.entries

    def outcome(who: LearnerInRun) -> Outcome:
        timeline = merge((), [*of_learner[who], *of_run[who[1]]])
        return replay(Record(*who, timeline), undated(DEFAULT), datetime(2016, 1, 1, tzinfo=UTC))

    outcomes = {who: outcome(who) for who in of_learner}
    return {who: (found.status and found.status.value, [*found.reasons]) for who, found in outcomes.items()}

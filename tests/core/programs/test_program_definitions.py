"""Definitions of programs: merged, made to fit, and read off certificates."""

from datetime import timedelta

from certrules.core.certificate import Certificate
from certrules.core.policy import DEFAULT, undated
from certrules.core.programs.certificates import CertificateChange, changes_of
from certrules.core.programs.definitions import (
    DatedDefinition,
    definition_bytes,
    fit_definitions,
    merge_definitions,
)
from certrules.core.programs.reasons import CAUSES, GAPS, HELD, REASONS, ProgramCause, ProgramReason
from certrules.core.replay import replay
from certrules.core.terms import Status
from tests.scenes.phrases import QUALIFYING, instant, record_of
from tests.scenes.programs import definition


def dated(number: int, **described: object) -> DatedDefinition:
    return DatedDefinition(instant("day 1") + timedelta(days=number), f"event {number}", definition(described))


def test_of_two_definitions_with_one_id_the_earlier_is_stored_whichever_came_first() -> None:
    one, other = dated(1), dated(2)._replace(event_id="event 1")
    assert merge_definitions(merge_definitions((), [one]), [other]) == (one,)
    assert merge_definitions(merge_definitions((), [other]), [one]) == (one,)


def test_of_two_definitions_at_one_instant_the_one_with_the_greater_id_holds() -> None:
    one, other = dated(1), dated(1, status="retired")._replace(event_id="event 9")
    assert merge_definitions((), [other, one])[-1] == other


def test_a_timeline_that_fits_stays() -> None:
    timeline = tuple(dated(number) for number in range(9))
    assert fit_definitions(timeline) is timeline


def test_repeats_go_before_anything_else() -> None:
    timeline = (dated(0, status="unpublished"), *(dated(number) for number in range(1, 9)), dated(9, status="retired"))
    most = 4 * definition_bytes(timeline[1])
    fitted = fit_definitions(timeline, most)
    assert fitted == (timeline[0], timeline[1], timeline[8], timeline[9])


def test_then_the_oldest_go_and_the_newest_stays() -> None:
    timeline = tuple(dated(number, courses={f"C{number}": ["r"]}) for number in range(5))
    assert fit_definitions(timeline, 2 * definition_bytes(timeline[0])) == timeline[3:]
    assert fit_definitions(timeline, 1) == timeline[4:]
    repeated = (*timeline, dated(5, courses={"C4": ["r"]}), dated(6, courses={"C4": ["r"]}))
    assert fit_definitions(repeated, 1) == repeated[-1:]


def test_the_bytes_count_what_is_listed() -> None:
    assert definition_bytes(dated(1, courses={"A": ["é" * 100]})) > definition_bytes(
        dated(1, courses={"A": ["e" * 100]})
    )
    assert definition_bytes(dated(1, modes=["verified"])) > definition_bytes(dated(1))


def test_every_reason_and_cause_has_its_meaning() -> None:
    assert set(REASONS) == set(ProgramReason) > GAPS
    assert set(CAUSES) == set(ProgramCause) > HELD


def test_the_changes_of_a_certificate_are_its_transitions_with_the_date_at_which_it_was_earned() -> None:
    facts = [*QUALIFYING.values(), ("day 6", "invalidated by ada"), ("day 9", "invalidation lifted by ada")]
    outcome = replay(record_of(*facts), undated(DEFAULT), instant("day 30"))
    assert changes_of(outcome.transitions, outcome.certificate) == (
        CertificateChange(instant("day 3"), Status.DOWNLOADABLE, "verified", instant("day 3")),
        CertificateChange(instant("day 6"), Status.UNAVAILABLE, "verified", instant("day 3")),
        CertificateChange(instant("day 9"), Status.DOWNLOADABLE, "verified", instant("day 3")),
    )


def test_the_last_change_has_the_mode_of_now() -> None:
    outcome = replay(record_of(*QUALIFYING.values()), undated(DEFAULT), instant("day 30"))
    now = Certificate(Status.DOWNLOADABLE, "masters", "0.9")
    assert [change.mode for change in changes_of(outcome.transitions, now)] == ["masters"]
    assert [change.mode for change in changes_of(outcome.transitions, None)] == ["verified"]
    assert changes_of((), now) == ()

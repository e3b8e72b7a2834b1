"""Definitions of programs: merged, made to fit, and read off certificates."""

from datetime import timedelta

from certrules.core.certificate import Certificate
from certrules.core.guard import PublishedCertificate, PublishedTransition
from certrules.core.instants import BEGINNING
from certrules.core.policy import DEFAULT, undated
from certrules.core.programs.certificates import CertificateChange, changes_of, changes_of_published
from certrules.core.programs.definitions import (
    DatedDefinition,
    definition_bytes,
    fit_definitions,
    merge_definitions,
)
from certrules.core.programs.reasons import CAUSES, GAPS, HELD, REASONS, ProgramCause, ProgramReason
from certrules.core.replay import replay
from certrules.core.terms import Cause, Status
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


def published(certificate: Certificate | None, *transitions: tuple[str, Status, Cause]) -> PublishedCertificate:
    return PublishedCertificate(
        certificate, tuple(PublishedTransition(instant(at), status, cause) for at, status, cause in transitions)
    )


DOWNLOADABLE, NOTPASSING = Status.DOWNLOADABLE, Status.NOTPASSING
EARNED_AGAIN = Certificate(DOWNLOADABLE, "verified", "0.9", "id", instant("day 9"), instant("day 3"))


def test_what_was_published_has_the_dates_at_which_it_was_earned() -> None:
    changes = changes_of_published(
        published(
            EARNED_AGAIN,
            ("day 3", DOWNLOADABLE, Cause.EARNED),
            ("day 6", NOTPASSING, Cause.GRADE_FELL),
            ("day 9", DOWNLOADABLE, Cause.EARNED),
            ("day 11", Status.UNAVAILABLE, Cause.INVALIDATED),
            ("day 12", DOWNLOADABLE, Cause.REINSTATED),
        )
    )
    assert [(change.status, change.since) for change in changes] == [
        (DOWNLOADABLE, instant("day 3")),
        (NOTPASSING, instant("day 3")),
        (DOWNLOADABLE, instant("day 9")),
        (Status.UNAVAILABLE, instant("day 9")),
        (DOWNLOADABLE, instant("day 9")),
    ]
    assert {change.mode for change in changes} == {"verified"}


def test_what_was_published_first_as_a_label_or_by_the_old_logic_has_its_own_dates() -> None:
    label = Certificate(Status.UNVERIFIED, "verified", "")
    assert changes_of_published(published(label, ("day 3", Status.UNVERIFIED, Cause.LABELLED))) == (
        CertificateChange(instant("day 3"), Status.UNVERIFIED, "verified", instant("day 3")),
    )
    recorded = published(EARNED_AGAIN, ("day 20", DOWNLOADABLE, Cause.RECORDED))
    assert [change.since for change in changes_of_published(recorded)] == [instant("day 9")]


def test_what_was_published_without_transitions_is_there_since_its_issue() -> None:
    assert changes_of_published(published(None)) == ()
    assert changes_of_published(published(EARNED_AGAIN)) == (
        CertificateChange(instant("day 9"), DOWNLOADABLE, "verified", instant("day 9")),
    )
    label = Certificate(NOTPASSING, "verified", "")
    assert [change.at for change in changes_of_published(published(label))] == [BEGINNING]

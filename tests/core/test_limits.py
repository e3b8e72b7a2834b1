"""Limits in bytes: what gives way decides nothing, and whoever fills a timeline locks nobody out."""

from collections.abc import Iterable, Sequence
from datetime import timedelta
from random import Random
from uuid import UUID

import pytest

from certrules.core.certificate import Certificate
from certrules.core.fact_types import AFTER_PUBLICATION, Enrollment, Fact, Grade, IgnoredField, Recorded
from certrules.core.facts import Record
from certrules.core.guard import PublishedCertificate, first_part, next_publication
from certrules.core.instants import BEGINNING
from certrules.core.late_entries import COMPACTION
from certrules.core.limits import RESERVED_BYTES, TIMELINE_BYTES, Fixed, fit, limit_of, stored_bytes
from certrules.core.policy import Modes, Overrides
from certrules.core.replay import replay
from certrules.core.terms import PERSON, Cause, RevocationAction, Status
from certrules.core.timeline import Entry, Timeline, TimelineFullError, merge
from tests.scenes.records_between_decisions import (
    CONFIGURED,
    DAY,
    ENROLLED,
    FIRST,
    POLICIES,
    RUN,
    VERIFIED,
    RecordBetweenDecisions,
)

HOUR = timedelta(hours=1)
LATER = FIRST + 4_000 * DAY


def event_id(number: int) -> str:
    return str(UUID(int=Random(number).getrandbits(128)))


def entry(number: int, at: float, fact: Fact, value: object, subject: str = "", *actor: str) -> Entry:
    """Return an entry so many hours after the first instant."""
    return Entry(FIRST + at * HOUR, event_id(number), fact, subject, value, *actor)


def flips(count: int, every: float = 3) -> list[Entry]:
    """Return passing and failing in turn, so many hours after one another: each one decides."""
    return [entry(number, 1 + number * every, Fact.PASSING, number % 2 == 0) for number in range(count)]


def replayed(entries: Iterable[Entry]) -> Certificate | None:
    return replay(Record(7, RUN, merge((), [*VERIFIED, *CONFIGURED, *entries])), POLICIES, LATER).certificate


def received(entries: Sequence[Entry], at_once: int) -> RecordBetweenDecisions:
    """Return a record that received entries, so many at once, and never lost a certificate that the facts carry."""
    record = RecordBetweenDecisions()
    for start in range(0, len(entries), at_once):
        record.receive(entries[start : start + at_once], LATER)
        assert stored_bytes(record.timeline) <= TIMELINE_BYTES + RESERVED_BYTES
        assert len(record.published.transitions) <= 300
    return record


def without_id(certificate: Certificate | None) -> Certificate | None:
    return certificate and certificate._replace(certificate_id="")


# --- what decides


@pytest.mark.parametrize("every", [0.1, 3])
def test_five_thousand_entries_that_all_decide_are_all_stored(every: float) -> None:
    entries = [ENROLLED, *flips(5_001, every)]

    record = received(entries, 1_700)

    assert record.timeline == tuple(entries)
    assert without_id(record.published.certificate) == replayed(entries)


@pytest.mark.parametrize("every", [0.1, 3])
def test_more_than_fit_are_decided_as_if_all_were_stored(every: float) -> None:
    entries = [ENROLLED, *flips(7_001, every)]
    record = RecordBetweenDecisions()

    for start in range(0, len(entries), 1_500):
        at = entries[: start + 1_500][-1].at
        record.receive(entries[start : start + 1_500], at)
        whole = replay(Record(7, RUN, merge((), [*VERIFIED, *CONFIGURED, *entries[: start + 1_500]])), POLICIES, at)
        assert without_id(record.published.certificate) == whole.certificate
        assert record.published.pending == whole.pending
        stored = record.timeline
        assert record.receive([], at).publication.new_transitions == ()
        assert record.timeline == stored

    assert len(record.timeline) < len(entries)
    assert record.published.certificate is not None
    assert record.published.certificate.status is Status.DOWNLOADABLE


@pytest.mark.parametrize("count", [5_000, 6_600])
def test_thousands_in_any_order_give_the_same_or_a_certificate_that_is_held(count: int) -> None:
    entries = [*flips(count), entry(9_999, 30_000, Fact.PASSING, value=True)]
    Random(count).shuffle(entries)

    record = received([ENROLLED, *entries], 3_300)

    certificate = record.published.certificate
    assert certificate is not None
    assert certificate.status is Status.DOWNLOADABLE
    whole = replayed([ENROLLED, *entries])
    assert whole is not None
    is_held = record.published.pending is not None and record.published.pending.due is None
    assert is_held or (certificate.issued_at, certificate.first_issued_at) == (whole.issued_at, whole.first_issued_at)


def test_a_learner_whose_mode_and_allowlist_entry_change_thousands_of_times_can_still_pass() -> None:
    modes = [
        entry(number, number, Fact.ENROLLMENT, Enrollment("audit" if number % 2 else "verified", active=True))
        for number in range(3_500)
    ]
    listed = [entry(5_000 + number, number + 0.5, Fact.BETA_TESTER, number % 2 == 0) for number in range(3_500)]
    entries = sorted([*modes, *listed, entry(9_999, 4_000, Fact.PASSING, value=True)])
    entries.append(entry(10_000, 4_001, Fact.ENROLLMENT, Enrollment("verified", active=True)))

    record = received(entries, 3_000)

    assert without_id(record.published.certificate) == replayed(entries)
    assert record.published.certificate is not None
    assert record.published.certificate.status is Status.DOWNLOADABLE


# --- what only informs


def informing(number: int) -> list[Entry]:
    """Return one entry of each kind that decides nothing since another one follows."""
    why = IgnoredField(Fact.GRADE, "", f"{number} is no time since 1970")
    return [
        entry(10 * number, number, Fact.GRADE, Grade(number / 1_000, "F")),
        entry(10 * number + 1, number, Fact.GRADE, Grade(number / 1_000, "A")),
        entry(10 * number + 2, number, Fact.IGNORED_FIELD, why, "grade.passed_timestamp"),
        entry(10 * number + 3, number, Fact.DATE_OVERRIDE, FIRST + number * DAY, "", "ada"),
        entry(10 * number + 4, number, Fact.ENROLLMENT, Enrollment("verified", active=number % 2 == 0)),
    ]


def test_what_only_informs_gives_way_oldest_first_and_all_that_decides_stays() -> None:
    deciding = [ENROLLED, *flips(1_001, 0.5)]
    entries = sorted([*deciding, *(item for number in range(1_000) for item in informing(number))])

    record = received(entries, 2_000)

    stored = set(record.timeline)
    assert {item for item in entries if item.fact is Fact.PASSING} <= stored
    assert len(stored) < len(entries)
    assert {item for item in entries[-5:] if item.fact is not Fact.GRADE} <= stored
    assert without_id(record.published.certificate) == replayed(entries)


def test_settings_that_are_only_shown_give_way_and_those_that_decide_stay() -> None:
    shown = [entry(number, number, Fact.COURSE_RUN, LATER + number * DAY, "end") for number in range(6_000)]
    honor = Modes(frozenset({"honor"}))
    overrides = [Overrides(breaker_limit=number, eligible_modes=honor) for number in range(10)]
    policies = [
        entry(9_000 + number, 9_000 + number, Fact.COURSE_RUN, value, "policy")
        for number, value in enumerate(overrides)
    ]
    timeline, compacted_until = fit(merge((), [*shown, *policies]), BEGINNING, TIMELINE_BYTES)
    assert set(policies) <= set(timeline)
    assert (timeline[0], timeline[-11]) == (shown[0], shown[-1])
    assert stored_bytes(timeline) <= TIMELINE_BYTES // 4 * 3
    assert compacted_until is BEGINNING


def test_certificates_of_the_old_logic_that_are_only_compared_or_repeated_give_way() -> None:
    def recorded(number: int, subject: str, status: Status) -> Entry:
        modified = FIRST + number * HOUR
        value = Recorded(status, "verified", "0.9", "an-id", FIRST, modified)
        return entry(number, number, Fact.RECORDED, value, subject)

    compared = [recorded(number, AFTER_PUBLICATION, [*Status][number % 2]) for number in range(1_500)]
    repeated = [recorded(number, "", Status.DOWNLOADABLE) for number in range(2_000, 3_500)]
    deciding = [recorded(number, "", [*Status][number % 3]) for number in range(4_000, 4_100)]
    timeline, _ = fit(merge((), [*compared, *repeated, *deciding]), BEGINNING, TIMELINE_BYTES)
    assert set(deciding) <= set(timeline)
    assert {compared[0], compared[-1], repeated[0]} <= set(timeline)
    assert stored_bytes(timeline) <= TIMELINE_BYTES


def test_late_entries_that_are_held_already_give_way() -> None:
    held = [
        entry(number, number, Fact.REVOCATION, RevocationAction.HELD, Cause.LATE_ENTRY, COMPACTION, f"{number} " * 20)
        for number in range(3_000)
    ]
    timeline, _ = fit(merge((), held), BEGINNING, TIMELINE_BYTES)
    assert (timeline[0], timeline[-1]) == (held[0], held[-1])
    assert limit_of(timeline, held[:1]) == TIMELINE_BYTES


# --- nothing gives way that changes a certificate


@pytest.mark.parametrize("is_same", [True, False])
def test_what_would_change_the_certificate_is_not_dropped(is_same: bool) -> None:
    percents = [entry(20_000 + number, number, Fact.GRADE, Grade(number / 10_000, "")) for number in range(3_000)]
    timeline = merge((), [*flips(3_000), *percents])
    fixed = Fixed(lambda _: is_same, (), (), "verified")
    if is_same:
        assert stored_bytes(fit(timeline, BEGINNING, TIMELINE_BYTES, fixed)[0]) <= TIMELINE_BYTES
    else:
        with pytest.raises(TimelineFullError):
            fit(timeline, BEGINNING, TIMELINE_BYTES, fixed)


def test_of_what_was_answered_at_least_the_newest_thousand_entries_stay() -> None:
    few = [
        entry(number, number, Fact.BETA_TESTER, number % 2 == 0, f"{number % 4}{'x' * 400}") for number in range(1_000)
    ]
    fixed = Fixed(lambda _: True, (), (), "verified")
    with pytest.raises(TimelineFullError):
        fit(merge((), few), BEGINNING, TIMELINE_BYTES, fixed)


@pytest.mark.parametrize("count", [1, 96, 299, 300, 301, 449])
def test_many_transitions_are_published_in_parts_and_nothing_is_published_twice(count: int) -> None:
    entries = [ENROLLED, *flips(449, 3)]
    outcome = replay(Record(7, RUN, merge((), [*VERIFIED, *CONFIGURED, *entries])), POLICIES, LATER)
    whole = next_publication(PublishedCertificate(), outcome, "an-id")
    assert len(whole.new_transitions) == 449
    assert (len(whole.published.transitions), whole.published.unlisted) == (300, 149)

    part = first_part(whole, count)
    assert part.published.certificate == part.new_transitions[-1].certificate
    rest = next_publication(part.published, outcome, "another")
    assert (*part.new_transitions, *rest.new_transitions) == whole.new_transitions
    assert rest.published._replace(published_at=BEGINNING) == whole.published._replace(published_at=BEGINNING)


# --- long notes


def noted(number: int, length: int = 2_000) -> Entry:
    """Return an act with notes of four bytes a character that no other has."""
    notes = f"{number} {'\N{GRINNING FACE}' * length}"[:length]
    return entry(number, number, Fact.ALLOWLIST, number % 2 == 0, "", f"ada {number}", notes)


def test_long_notes_are_cut_oldest_first_and_every_act_stays() -> None:
    acts = [noted(number) for number in range(60)]

    record = received([ENROLLED, *acts], 7)

    stored = [item for item in record.timeline if item.fact is Fact.ALLOWLIST]
    assert [item[:5] for item in stored] == [item[:5] for item in acts]
    assert stored[-1] == acts[-1]
    assert stored[0].notes.endswith(" … (cut: too many long notes)")
    assert acts[0].notes.startswith(stored[0].notes.partition(" …")[0])


def test_a_long_name_of_an_actor_is_cut_too_and_stays_that_of_a_person() -> None:
    names = [f"{number}-{'é' * 1_990}" for number in range(120)]
    acts = [entry(number, number, Fact.ALLOWLIST, number % 2 == 0, "", name) for number, name in enumerate(names)]
    timeline, _ = fit(merge((), acts), BEGINNING, TIMELINE_BYTES)
    assert [item[:5] for item in timeline] == [item[:5] for item in acts]
    assert all(len(item.by) < 140 for item in timeline[:10])
    assert all(item.by.partition("-")[0] == str(number) for number, item in enumerate(timeline))


def test_cut_notes_that_are_delivered_again_stay_within_the_limit() -> None:
    acts = [noted(number) for number in range(60)]
    record = received([ENROLLED, *acts], 7)
    for act in acts:
        record.receive([act], LATER)
        assert stored_bytes(record.timeline) <= TIMELINE_BYTES + RESERVED_BYTES
    assert [item[:5] for item in record.timeline if item.fact is Fact.ALLOWLIST] == [item[:5] for item in acts]


def test_long_texts_of_many_settings_are_cut_though_each_is_stored_once() -> None:
    texts = [(f"{number}-{'é' * 1_990}", f"{number} {'\N{GRINNING FACE}' * 1_990}") for number in range(60)]
    settings = ["", "policy", "end", "self_paced", "web_certificates_enabled"]
    configured = [
        entry(number, number, Fact.COURSE_RUN, bool(number % 2), setting, *text)
        for number, text in enumerate(texts)
        for setting in settings
    ]
    timeline, _ = fit(merge((), configured), BEGINNING, TIMELINE_BYTES)
    assert {item.event_id for item in timeline if item.subject == "policy"} == {item.event_id for item in configured}
    assert TIMELINE_BYTES // 2 < stored_bytes(timeline) <= TIMELINE_BYTES
    assert timeline[-1].notes == texts[-1][1]


def test_notes_that_several_entries_have_count_once() -> None:
    same = merge((), [entry(number, number, Fact.ALLOWLIST, True, "", "ada", "n" * 2_000) for number in range(100)])
    assert stored_bytes(same) < 2_000 + 100 * 100


# --- at the edge


def full(of: int) -> Timeline:
    """Return a timeline of exactly so many bytes, all of which decide: an exam's rejection each."""
    entries = [
        entry(number, number, Fact.INVALIDATION, True, f"exam-{number:05}{'é' * 100}") for number in range(of // 275)
    ]
    missing = of - stored_bytes(entries)
    longer = entries[-1]._replace(subject=entries[-1].subject + "x" * missing)
    return merge((), [*entries[:-1], longer])


def test_the_last_byte_fits_and_the_next_entry_does_not() -> None:
    edge = full(TIMELINE_BYTES)
    assert stored_bytes(edge) == TIMELINE_BYTES
    assert fit(edge, BEGINNING, TIMELINE_BYTES) == (edge, BEGINNING)
    with pytest.raises(TimelineFullError, match=r"bytes of entries that all decide; at most 320000 .* is still taken"):
        fit(full(TIMELINE_BYTES + 1), BEGINNING, TIMELINE_BYTES)


def test_on_a_full_timeline_a_person_can_still_act_and_deciding_again_is_no_growth() -> None:
    record = RecordBetweenDecisions()
    record.timeline = merge(full(TIMELINE_BYTES - 120), [ENROLLED])
    with pytest.raises(TimelineFullError):
        record.receive([entry(80_000, 9_000, Fact.PASSING, value=True)], LATER)

    listed = entry(80_001, 9_001, Fact.ALLOWLIST, True, "", "ada", "the timeline is full")
    assert record.receive([listed], LATER).timeline[-1] == listed
    assert record.receive([], LATER).timeline[-1] == listed
    invalidated = entry(80_002, 9_003, Fact.INVALIDATION, True, PERSON, "ada", "cheated")
    assert record.receive([invalidated], LATER).timeline[-1] == invalidated

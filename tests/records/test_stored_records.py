"""The records table: what is saved is read as it was, under conditions on versions, and found where it is due."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from threading import Barrier

import pytest
from hypothesis import given
from hypothesis import strategies as st

from certrules.core.deliveries.breaker import CLOSED, ServiceBreaker
from certrules.core.deliveries.delivery import Acknowledgement, Delivery, first_wanted, leased
from certrules.core.deliveries.desired import (
    Availability,
    CourseCredential,
    Kind,
    ProgramCredential,
    Target,
)
from certrules.core.deliveries.outcomes import Waiting
from certrules.core.instants import MICROSECOND
from certrules.core.limits import DEFINITIONS_BYTES
from certrules.core.programs.definitions import (
    DatedDefinition,
    ProgramCourse,
    ProgramDefinition,
    ProgramStatus,
    fit_definitions,
)
from certrules.core.programs.outcome import ProgramAction, ProgramPending, ProgramTransition
from certrules.core.programs.publication import MOST_ACTIONS, MOST_TRANSITIONS, PublishedProgram
from certrules.core.programs.reasons import ProgramCause, ProgramCertificateStatus
from certrules.core.terms import Actor, RevocationAction
from certrules.formats.stored_programs import (
    ProgramState,
    decode_definitions,
    decode_program,
    encode_definitions,
    encode_program,
)
from certrules.storage import LostRaceError
from certrules.storage import learner_records as records
from certrules.storage import program_definitions as programs
from certrules.storage.records_table import SHARDS
from tests.records.tables import records_table
from tests.scenes.programs import UUID, definition

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
RUN = "course-v1:DemoX+A+2026"
AWARDED = CourseCredential(is_awarded=True, mode="verified")
ITEM_BYTES = 400_000

instants = st.integers(0, 10**9).map(lambda seconds: datetime.fromtimestamp(946_684_800 + seconds, UTC) + MICROSECOND)
texts = st.text(max_size=20)

transitions = st.builds(
    ProgramTransition,
    instants,
    st.sampled_from(ProgramCertificateStatus),
    st.sampled_from(ProgramCause),
    st.builds(Actor, texts, texts),
    instants,
    instants,
)
states = st.builds(
    ProgramState,
    st.builds(
        PublishedProgram,
        st.none() | st.sampled_from(ProgramCertificateStatus),
        st.none() | instants,
        st.none() | instants,
        st.lists(transitions, max_size=3).map(tuple),
        st.none() | st.builds(ProgramPending, st.sampled_from(ProgramCause), instants, st.none() | instants),
    ),
    st.integers(0, 9),
    st.integers(0, 9),
    st.lists(
        st.builds(
            ProgramAction,
            instants,
            texts,
            st.sampled_from(RevocationAction),
            st.sampled_from(ProgramCause),
            texts,
            texts,
        ),
        max_size=2,
    ).map(tuple),
)
courses = st.builds(ProgramCourse, texts, st.lists(texts, max_size=3).map(tuple))
definitions = st.builds(
    DatedDefinition,
    instants,
    texts,
    st.builds(
        ProgramDefinition,
        st.just(UUID),
        texts,
        texts,
        st.sampled_from(ProgramStatus),
        st.none() | st.lists(texts, max_size=3).map(tuple),
        st.lists(courses, max_size=3).map(tuple),
    ),
    texts,
    texts,
)


@given(states, st.lists(definitions, max_size=4).map(tuple))
def test_programs_are_read_as_they_were_stored(state: ProgramState, timeline: tuple[DatedDefinition, ...]) -> None:
    assert decode_program(encode_program(state)) == state
    assert decode_definitions(UUID, encode_definitions(timeline)) == timeline


def test_the_fullest_items_are_smaller_than_dynamodb_allows() -> None:
    widest = "\N{GRINNING FACE}" * 2_000  # as long as a text of an event may be, in the widest letters
    actor = Actor("a" * 200, widest)
    fullest = ProgramTransition(
        NOON, ProgramCertificateStatus.REVOKED, ProgramCause.DEFINITION_CHANGED, actor, NOON, NOON
    )
    published = PublishedProgram(transitions=(fullest,) * MOST_TRANSITIONS)
    action = ProgramAction(NOON, "e", RevocationAction.RELEASED, ProgramCause.COURSE_LOST, "a" * 200, widest)
    state = ProgramState(published, actions=(action,) * MOST_ACTIONS)
    assert len(encode_program(state).encode()) < ITEM_BYTES
    many = {f"DemoX+C{number}": [f"course-v1:DemoX+C{number}+{run}" for run in range(10)] for number in range(100)}
    dated = tuple(
        DatedDefinition(NOON + timedelta(days=day), f"event {day}", definition({"courses": many})) for day in range(100)
    )
    assert len(encode_definitions(fit_definitions(dated))) < DEFINITIONS_BYTES * 1.1 < ITEM_BYTES


# --- the table


@pytest.fixture(params=["in this process", "AWS's engine"])
def _table(request: pytest.FixtureRequest) -> Iterator[None]:
    endpoint = None if request.param == "in this process" else request.getfixturevalue("dynamodb_local")
    with records_table(endpoint):
        yield


@pytest.fixture
def _engine(dynamodb_local: str) -> Iterator[None]:
    with records_table(dynamodb_local):
        yield


def target(learner_id: int = 7, run: str = RUN) -> Target:
    return Target(Kind.COURSE, learner_id, run)


def wanted(number: int = 1, learner_id: int = 7, at: datetime = NOON) -> Delivery:
    return first_wanted(target(learner_id), AWARDED, number, at)


def state_of(number: int) -> ProgramState:
    return ProgramState(PublishedProgram(), number)


@pytest.mark.usefixtures("_table")
def test_a_learner_is_read_whole_and_an_availability_by_its_course_run() -> None:
    program = records.ProgramWrite(records.new_program(7, UUID), state_of(1), NOON)
    of_program = first_wanted(Target(Kind.PROGRAM, 7, UUID), ProgramCredential(is_awarded=True), 1, NOON)
    new = [records.StoredDelivery(delivery, 0) for delivery in (wanted(), of_program)]
    records.save_learner([program], new)
    of_run = first_wanted(Target(Kind.AVAILABILITY, RUN), Availability(mode="verified", date=NOON), 1, NOON)
    records.save_delivery(of_run, 0)

    stored = records.load_learner(7)

    assert {uuid: (each.state, each.next_change_at) for uuid, each in stored.programs.items()} == {
        UUID: (state_of(1), NOON)
    }
    expected = [records.StoredDelivery(delivery, 1) for delivery in (wanted(), of_program)]
    assert list(stored.deliveries.values()) == records.deliveries_of(7) == expected
    assert records.deliveries_of(RUN) == [records.StoredDelivery(of_run, 1)]
    assert records.load_delivery(target()) == expected[0]
    assert records.load_delivery(target(8)) is None
    assert records.load_learner(8) == ({}, {})


@pytest.mark.usefixtures("_table")
def test_of_two_who_save_what_both_have_read_one_loses() -> None:
    records.save_delivery(wanted(), 0)
    for version in (0, 2):
        with pytest.raises(LostRaceError):
            records.save_delivery(wanted(2), version)
    assert records.save_delivery(wanted(2), 1) == records.StoredDelivery(wanted(2), 2)
    first, second = (records.new_program(7, UUID) for _ in range(2))
    records.save_program(records.ProgramWrite(first, state_of(1), None))
    with pytest.raises(LostRaceError):
        records.save_learner([records.ProgramWrite(second, state_of(2), None)], [records.StoredDelivery(wanted(3), 2)])
    assert records.load_delivery(target()) == records.StoredDelivery(wanted(2), 2)  # both, or none
    breaker = ServiceBreaker(failures=1)
    assert records.load_service_breaker() == (CLOSED, 0)
    assert records.save_service_breaker(breaker, 0) == records.load_service_breaker() == (breaker, 1)
    with pytest.raises(LostRaceError):
        records.save_service_breaker(CLOSED, 0)


@pytest.mark.usefixtures("_table")
def test_what_is_removed_is_gone() -> None:
    records.save_delivery(wanted(), 0)
    records.save_learner([], [], records.deliveries_of(7))
    assert records.deliveries_of(7) == []


@pytest.mark.usefixtures("_table")
def test_what_is_due_comes_in_order_deliveries_apart_from_decisions() -> None:
    for number in range(6):
        records.save_delivery(wanted(learner_id=number, at=NOON - timedelta(minutes=number)), 0)
    sent = leased(wanted(learner_id=9), "me", NOON)
    assert sent is not None
    records.save_delivery(sent, 0)  # due when its lease ends
    settled = replace(wanted(learner_id=10), due=None, acknowledged=Acknowledgement(AWARDED, NOON))
    records.save_delivery(settled, 0)
    records.save_program(records.ProgramWrite(records.new_program(7, UUID), state_of(1), NOON))

    assert [due.learner_id for due in records.due_deliveries(NOON, 100)] == [5, 4, 3, 2, 1, 0]
    assert [due.learner_id for due in records.due_deliveries(NOON, 2)] == [5, 4]
    assert records.due_deliveries(NOON + timedelta(hours=1), 100)[-1].learner_id == 9
    assert records.due_others(NOON, 100) == [records.Due(NOON, learner_id=7)]
    assert records.due_others(NOON - timedelta(seconds=1), 100) == []
    assert records.unsettled_since() == NOON - timedelta(minutes=5)
    found = [item for shard in range(SHARDS) for item in records.unsettled_in(shard, None, 10)[0]]
    assert sorted(each.owner for each, _ in found) == [0, 1, 2, 3, 4, 5, 9]
    assert {reason for _, reason in found} == {""}


@pytest.mark.usefixtures("_table")
def test_a_delivery_that_waits_is_found_with_its_reason() -> None:
    of_run = first_wanted(Target(Kind.AVAILABILITY, RUN), Availability(mode="verified", date=None), 1, NOON)
    records.save_delivery(replace(of_run, waiting=Waiting.REFUSED_MODE, due=None), 0)
    found = [item for shard in range(SHARDS) for item in records.unsettled_in(shard, None, 10)[0]]
    assert found == [(of_run.target, "refused_mode")]
    assert records.due_deliveries(NOON, 10) == []


@pytest.mark.usefixtures("_table")
def test_a_definition_its_course_runs_and_its_cursor_are_found() -> None:
    timeline = (DatedDefinition(NOON, "event 1", definition()),)
    programs.save_listing(UUID, ["a1", "a2", "b1"])
    stored = programs.load_definitions([UUID, "unknown"])
    cursor = programs.load_cursor(UUID)
    programs.save_definitions(stored[UUID], timeline, cursor._replace(left="[]"), NOON)

    assert stored["unknown"].timeline == ()
    assert programs.load_definitions([UUID])[UUID].timeline == timeline
    assert programs.programs_of("a1") == {UUID}
    assert programs.programs_of("c1") == frozenset()
    assert list(programs.all_programs()) == [UUID]
    assert records.due_others(NOON, 10) == [records.Due(NOON, program=UUID)]
    with pytest.raises(LostRaceError):
        programs.save_cursor(cursor._replace(item=type(cursor.item)(cursor.item.p, cursor.item.s)), NOON)
    programs.save_cursor(programs.load_cursor(UUID)._replace(left=None), NOON)
    assert records.due_others(NOON, 10) == []


@pytest.mark.usefixtures("_engine")
def test_of_sixteen_who_count_at_once_none_is_lost() -> None:
    writers, each = 16, 5
    start = Barrier(writers)

    def count(act: Callable[[], None]) -> int:
        lost = 0
        start.wait()
        for _ in range(each):
            while True:
                try:
                    act()
                except LostRaceError:
                    lost += 1
                else:
                    break
        return lost

    def one_more() -> None:
        stored = records.load_learner(7)
        program = stored.programs.get(UUID) or records.new_program(7, UUID)
        found = stored.deliveries.get(target(), records.StoredDelivery(wanted(0), 0))
        number = program.state.number + 1
        assert found.delivery.number == number - 1  # both are saved together
        delivery = found._replace(delivery=replace(found.delivery, number=number))
        records.save_learner([records.ProgramWrite(program, state_of(number), None)], [delivery])

    with ThreadPoolExecutor(writers) as pool:
        lost = list(pool.map(count, [one_more] * writers))

    assert records.load_learner(7).programs[UUID].state.number == writers * each
    assert sum(lost) > 0

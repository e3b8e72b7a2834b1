"""One delivery to the Credentials service: its transitions, and that it ends where it should after any sequence."""

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from certrules.core.deliveries.delivery import (
    LEASE,
    LONGEST_BACK_OFF,
    LONGEST_RETRY_AFTER,
    SETTLES,
    Delivery,
    answered,
    fact_arrived,
    first_wanted,
    leased,
    lost,
    postponed,
    released,
    retried,
    wanted,
)
from certrules.core.deliveries.desired import (
    ORDER,
    Availability,
    CourseCredential,
    Grade,
    Kind,
    ProgramCredential,
    Target,
    Username,
    availability_date,
    four_decimals,
    in_seconds,
)
from certrules.core.deliveries.outcomes import (
    REASONS,
    Acknowledged,
    Outcome,
    RecordWarning,
    Unacknowledged,
    Waiting,
)

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
TARGET = Target(Kind.COURSE, 7, "course-v1:DemoX+A+2025")
AWARDED = CourseCredential(is_awarded=True, mode="verified")
REVOKED = CourseCredential(is_awarded=False, mode="verified")
DATED = CourseCredential(is_awarded=True, mode="verified", date_override=NOON)
NEW = first_wanted(TARGET, AWARDED, 1, NOON)
BACKING_OFF = [reason for reason, row in REASONS.items() if row.backs_off]
RETRIED = [reason for reason, row in REASONS.items() if row.retried is not None]
OF_SERVICE = [reason for reason, row in REASONS.items() if row.is_of_service]


def after(delivery: Delivery, outcome: Outcome, now: datetime = NOON, draw: float = 1.0) -> Delivery:
    """Return the delivery after it was sent with this outcome."""
    in_flight = leased(delivery, "one", now)
    assert in_flight is not None
    return answered(in_flight, "one", outcome, now, draw)


SETTLED = after(NEW, Acknowledged("uuid-1"))


def test_what_is_acknowledged_is_due_no_more() -> None:
    assert SETTLED.is_settled
    assert (SETTLED.next_at, SETTLED.uuid, SETTLED.tries) == (None, "uuid-1", 0)
    assert SETTLED.acknowledged is not None
    assert (SETTLED.acknowledged.desired, SETTLED.acknowledged.at) == (AWARDED, NOON)
    assert leased(SETTLED, "one", NOON + HOUR) is None


def test_an_older_desired_state_that_comes_late_changes_nothing() -> None:
    assert wanted(NEW, REVOKED, 1, NOON) is NEW
    assert wanted(NEW, REVOKED, 0, NOON) is NEW


def test_a_new_desired_state_is_due_and_wanted_since_then() -> None:
    changed = wanted(SETTLED, REVOKED, 2, NOON + HOUR)
    assert (changed.due, changed.wanted_at, changed.is_settled) == (NOON + HOUR, NOON + HOUR, False)
    again = wanted(changed, DATED, 3, NOON + 2 * HOUR)
    assert (again.wanted_at, again.desired, again.overridden) == (NOON + HOUR, DATED, True)
    assert wanted(again, REVOKED, 4, NOON).overridden


def test_what_is_desired_as_it_is_acknowledged_needs_no_request() -> None:
    assert wanted(SETTLED, AWARDED, 2, NOON + HOUR) == replace(SETTLED, number=2, wanted_at=NOON + HOUR)
    down = after(wanted(SETTLED, REVOKED, 2, NOON), Unacknowledged(Waiting.UNAVAILABLE))
    back = wanted(down, AWARDED, 3, NOON)
    assert (back.is_settled, back.due, back.waiting) == (True, None, None)


def test_one_in_doubt_is_sent_again_even_if_the_desired_state_is_as_acknowledged() -> None:
    doubtful = after(wanted(SETTLED, REVOKED, 2, NOON), Unacknowledged(Waiting.IN_DOUBT))
    back = wanted(doubtful, AWARDED, 3, NOON)
    assert not back.is_settled
    assert back.due == doubtful.due


def test_one_request_is_in_flight_until_its_lease_ends() -> None:
    in_flight = leased(NEW, "one", NOON)
    assert in_flight is not None
    assert leased(in_flight, "two", NOON + LEASE - MINUTE) is None
    second = leased(in_flight, "two", NOON + LEASE)
    assert second is not None
    assert second.in_doubt
    assert answered(second, "one", Acknowledged("u"), NOON + LEASE, 0) is second
    assert answered(NEW, "one", Acknowledged("u"), NOON, 0) is NEW


def test_a_lease_that_nothing_was_sent_under_is_given_back() -> None:
    in_flight = leased(NEW, "one", NOON)
    assert in_flight is not None
    assert released(in_flight, "two", NOON) is in_flight
    assert released(in_flight, "one", NOON + MINUTE) == replace(NEW, due=NOON + MINUTE)
    assert released(NEW, "one", NOON) is NEW


def test_the_first_username_needs_no_request() -> None:
    first = first_wanted(Target(Kind.USERNAME, 7), Username(name="ada"), 1, NOON)
    assert first.is_settled
    assert first.due is None
    assert wanted(first, Username(name="ada2"), 2, NOON).due == NOON


def test_a_state_that_was_desired_meanwhile_is_sent_next() -> None:
    in_flight = leased(NEW, "one", NOON)
    assert in_flight is not None
    changed = wanted(in_flight, REVOKED, 2, NOON)
    assert changed.next_at == NOON + LEASE
    done = answered(changed, "one", Acknowledged("u"), NOON + MINUTE, 0)
    assert (done.is_settled, done.due) == (False, NOON + MINUTE)
    refused = answered(changed, "one", Unacknowledged(Waiting.REFUSED), NOON + MINUTE, 0)
    assert (refused.waiting, refused.due, refused.tries) == (None, NOON + MINUTE, 0)
    down = answered(changed, "one", Unacknowledged(Waiting.UNAVAILABLE), NOON + MINUTE, 1)
    assert down.due is not None
    assert down.due > NOON + MINUTE


@pytest.mark.parametrize("reason", BACKING_OFF)
@pytest.mark.parametrize("tries", [0, 3, 10_000])
def test_back_off_is_exponential_has_full_jitter_and_ends_growing(reason: Waiting, tries: int) -> None:
    tried = replace(NEW, tries=tries)
    settles = SETTLES if reason is Waiting.IN_DOUBT else timedelta(0)
    longest = after(tried, Unacknowledged(reason), draw=1.0)
    assert longest.due == NOON + settles + min(LONGEST_BACK_OFF, timedelta(seconds=30) * 2 ** min(tries, 20))
    assert longest.tries == tries + 1
    assert after(tried, Unacknowledged(reason), draw=0.0).due == NOON + settles


def test_retry_after_is_respected() -> None:
    named = after(NEW, Unacknowledged(Waiting.THROTTLED, retry_after=58.0), draw=0.5)
    assert named.due == NOON + timedelta(seconds=58 + 15)
    assert after(NEW, Unacknowledged(Waiting.THROTTLED, retry_after=1e300), draw=0).due == NOON + LONGEST_RETRY_AFTER


@pytest.mark.parametrize("reason", RETRIED)
def test_reasons_that_wait_for_somebody_else_are_tried_again_slowly(reason: Waiting) -> None:
    interval = REASONS[reason].retried
    assert interval is not None
    sent = after(NEW, Unacknowledged(reason, "credential"))
    assert (sent.waiting, sent.detail, sent.due) == (reason, "credential", NOON + interval)
    held = postponed(NEW, reason, NOON)
    assert (held.waiting, held.due, held.tries) == (reason, NOON + interval, 0)


def test_a_refused_mode_waits_for_a_person() -> None:
    refused = after(NEW, Unacknowledged(Waiting.REFUSED_MODE))
    assert (refused.due, refused.next_at) == (None, None)
    assert retried(refused, NOON + HOUR).due == NOON + HOUR
    assert wanted(refused, REVOKED, 2, NOON + HOUR).due == NOON + HOUR
    assert wanted(refused, AWARDED, 2, NOON + HOUR).due is None  # the same is refused again


def test_a_fact_that_arrives_ends_the_wait_for_it_and_for_nothing_else() -> None:
    waiting = after(NEW, Unacknowledged(Waiting.UNKNOWN_USERNAME))
    arrived = fact_arrived(waiting, frozenset({Waiting.UNKNOWN_USERNAME}), NOON + MINUTE)
    assert (arrived.due, arrived.waiting) == (NOON + MINUTE, None)
    assert fact_arrived(waiting, frozenset({Waiting.UNKNOWN_PROGRAM}), NOON) is waiting


@pytest.mark.parametrize("reason", OF_SERVICE)
def test_a_new_desired_state_waits_for_the_service_as_the_former_did(reason: Waiting) -> None:
    waiting = after(NEW, Unacknowledged(reason))
    changed = wanted(waiting, REVOKED, 2, NOON)
    assert (changed.due, changed.waiting) == (waiting.due, reason)


def test_a_person_may_shorten_every_wait_but_that_for_a_request_in_doubt() -> None:
    later = replace(NEW, tries=9)
    assert retried(after(later, Unacknowledged(Waiting.UNAVAILABLE)), NOON).due == NOON
    assert retried(after(later, Unacknowledged(Waiting.IN_DOUBT)), NOON).due == NOON + SETTLES
    in_flight = leased(NEW, "one", NOON)
    assert in_flight is not None
    assert retried(in_flight, NOON) is in_flight
    assert retried(SETTLED, NOON) is SETTLED


@pytest.mark.parametrize("sent", [Waiting.IN_DOUBT, Waiting.SERVER_ERROR])
@pytest.mark.parametrize("then", [*Waiting, None])
def test_only_an_acknowledgement_ends_a_doubt(sent: Waiting, then: Waiting | None) -> None:
    """After a refusal, too, the service may hold what was sent before: going back to what it held needs a request."""
    doubtful = after(wanted(SETTLED, REVOKED, 2, NOON), Unacknowledged(sent))
    assert doubtful.in_doubt
    assert doubtful.due is not None
    later = after(doubtful, Acknowledged("u") if then is None else Unacknowledged(then), doubtful.due)
    assert later.in_doubt is (then not in {None, Waiting.RENAME_REFUSED})
    if later.in_doubt:
        assert not wanted(later, AWARDED, 3, doubtful.due).is_settled


def presumed() -> Delivery:
    username = Target(Kind.USERNAME, 7)
    return first_wanted(username, Username(name="ada.l"), 1, NOON, Username(name="ada"))


def test_a_learner_who_had_another_username_is_renamed_before_anything_is_sent() -> None:
    new = presumed()
    assert (new.is_settled, new.due) == (False, NOON)
    assert after(new, Acknowledged()).is_settled


def test_whoever_may_not_rename_begins_under_the_new_username() -> None:
    done = after(presumed(), Unacknowledged(Waiting.RENAME_REFUSED))
    assert (done.is_settled, done.waiting, done.due) == (True, None, None)


def test_once_the_service_has_answered_a_refused_rename_leaves_the_former_username() -> None:
    """Rows may have been sent under it meanwhile."""
    waiting = after(presumed(), Unacknowledged(Waiting.UNAVAILABLE))
    assert waiting.due is not None
    refused = after(waiting, Unacknowledged(Waiting.RENAME_REFUSED), waiting.due)
    assert (refused.is_settled, refused.waiting) == (False, Waiting.RENAME_REFUSED)


def test_what_the_service_lost_is_sent_again() -> None:
    again = lost(SETTLED, NOON + HOUR)
    assert (again.is_settled, again.due, again.wanted_at, again.uuid) == (False, NOON + HOUR, NOON + HOUR, "uuid-1")
    assert lost(NEW, NOON + HOUR).wanted_at == NOON


def test_a_second_row_is_warned_of_for_good_and_another_mode_as_long_as_it_lasts() -> None:
    moved = after(lost(SETTLED, NOON), Acknowledged("uuid-2"))
    assert (moved.uuid, moved.warning) == ("uuid-2", RecordWarning.SECOND_ROW)
    assert after(lost(moved, NOON), Acknowledged("uuid-2")).warning is RecordWarning.SECOND_ROW
    assert after(lost(SETTLED, NOON), Acknowledged()).uuid == "uuid-1"
    odd = after(NEW, Acknowledged("u", RecordWarning.OTHER_MODE))
    assert odd.warning is RecordWarning.OTHER_MODE
    assert after(lost(odd, NOON), Acknowledged("u")).warning is None


def test_only_what_is_shown_counts_for_what_is_desired() -> None:
    one, two = (ProgramCredential(is_awarded=True, course_runs=runs) for runs in (("a",), ("b",)))
    assert one == two
    assert sorted(Kind, key=lambda kind: ORDER[kind]) == ["username", "availability", "course", "grade", "program"]


@pytest.mark.parametrize(
    ("percent", "expected"), [(0.91, 0.91), (0.912345, 0.9123), (0.91235, 0.9124), (1.25, 1.25), (0.1 + 0.2, 0.3)]
)
def test_grades_have_four_decimals(percent: float, expected: float) -> None:
    assert four_decimals(percent) == expected


def test_instants_have_seconds() -> None:
    assert in_seconds(NOON + timedelta(microseconds=9)) == NOON
    assert in_seconds(None) is None


@pytest.mark.parametrize(
    ("differs", "expected"),
    [
        ({}, None),  # `end` without an end
        ({"end": NOON}, NOON),
        ({"end": NOON, "self_paced": True}, None),
        ({"end": NOON, "display_behavior": "early_no_info"}, None),
        ({"end": NOON, "display_behavior": "end"}, NOON),
        ({"end": NOON, "display_behavior": "end_with_date"}, None),
        ({"available_date": NOON, "display_behavior": "end_with_date"}, NOON),
        ({"available_date": NOON, "display_behavior": "end"}, None),
    ],
)
def test_credentials_are_available_when_the_course_run_shows_them(
    differs: dict[str, Any], expected: datetime | None
) -> None:
    settings: dict[str, Any] = {"self_paced": False, "display_behavior": None, "available_date": None, "end": None}
    assert availability_date(**settings | differs) == expected


def test_the_other_desired_states_compare_by_value() -> None:
    assert Grade(percent=0.9) == Grade(percent=0.9)
    assert Availability(mode="verified", date=None) != Availability(mode="verified", date=NOON)
    assert Username(name="ada") != Username(name="ADA")


@pytest.mark.parametrize("reason", Waiting)
def test_every_reason_has_a_meaning_and_what_to_do(reason: Waiting) -> None:
    row = REASONS[reason]
    assert row.meaning.endswith(".")
    assert row.remedy.endswith(".")
    assert row.backs_off or not row.is_of_service
    assert not (row.backs_off and row.retried)


STATES = (AWARDED, REVOKED, DATED)


@dataclass
class ModelService:
    """A service where the last delivery wins, and whose late writes come when a request without an answer settles."""

    holds: Any = None
    late: list[tuple[datetime, Any]] = field(default_factory=list)

    def settle(self, now: datetime) -> None:
        """Write what comes late."""
        for at, state in [item for item in self.late if item[0] <= now]:
            self.holds = state
            self.late.remove((at, state))


@dataclass
class Story:
    """A delivery, the service, and the clock."""

    delivery: Delivery = NEW
    service: ModelService = field(default_factory=ModelService)
    now: datetime = NOON
    number: int = 1
    leases: int = 0
    in_flight: str = ""

    def want(self, state: CourseCredential, shift: int) -> None:
        """Want a state, perhaps one that is older than the latest."""
        number = max(1, self.number + shift)
        newer = number > self.number
        self.delivery = wanted(self.delivery, state, number, self.now)
        self.number = self.delivery.number
        assert (self.delivery.desired == state) or not newer

    def send(self, fate: str, draw: float) -> None:
        """Send, if it is due. The fate: what comes of it."""
        self.service.settle(self.now)
        self.leases += 1
        found = leased(self.delivery, str(self.leases), self.now)
        if found is None:
            return
        assert found.lease is not None
        assert not self.service.late, "a request was sent while another could still be written"
        self.delivery = found
        sent = found.lease.desired
        if fate in {"written", "written unanswered", "written broken", "crash"}:
            self.service.holds = sent
        if fate in {"late", "crash late"}:
            self.service.late.append((self.now + SETTLES * draw, sent))
        if fate.startswith("crash"):
            return
        outcomes: dict[str, Outcome] = {
            "written": Acknowledged("u"),
            "written unanswered": Unacknowledged(Waiting.IN_DOUBT),
            "late": Unacknowledged(Waiting.IN_DOUBT),
            "down": Unacknowledged(Waiting.UNAVAILABLE),
            "throttled": Unacknowledged(Waiting.THROTTLED, retry_after=58),
            "broken": Unacknowledged(Waiting.SERVER_ERROR),
            "written broken": Unacknowledged(Waiting.SERVER_ERROR),
            "refused": Unacknowledged(Waiting.NOT_IN_CATALOG),
        }
        self.delivery = answered(found, str(self.leases), outcomes[fate], self.now, draw)

    def end(self) -> None:
        """Let the service answer from now on."""
        for _ in range(10):
            at = self.delivery.next_at
            if at is None:
                break
            self.now = max(self.now, at)
            self.send("written", 0.5)
        self.service.settle(self.now + LEASE)


FATES = (
    "written",
    "written unanswered",
    "written broken",
    "late",
    "crash",
    "crash late",
    "down",
    "throttled",
    "broken",
    "refused",
)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("want"), st.sampled_from(STATES), st.integers(-1, 2)),
        st.tuples(st.just("send"), st.sampled_from(FATES), st.floats(0, 1)),
        st.tuples(st.just("wait"), st.integers(0, 7_200), st.none()),
        st.tuples(st.just("retry"), st.none(), st.none()),
        st.tuples(st.just("lost"), st.none(), st.none()),
        st.tuples(st.just("fact"), st.none(), st.none()),
    ),
    max_size=40,
)


@given(STEPS)
def test_once_the_service_answers_it_holds_what_is_desired_whatever_came_before(steps: list[Any]) -> None:
    story = Story()
    for step, first, second in steps:
        match step:
            case "want":
                story.want(first, second)
            case "send":
                story.send(first, second)
            case "wait":
                story.now += timedelta(seconds=first)
            case "retry":
                story.delivery = retried(story.delivery, story.now)
            case "lost":
                story.delivery = lost(story.delivery, story.now)
            case _:
                story.delivery = fact_arrived(story.delivery, frozenset({Waiting.NOT_IN_CATALOG}), story.now)
    story.end()
    assert story.delivery.is_settled
    assert story.delivery.acknowledged is not None
    assert story.delivery.acknowledged.desired == story.delivery.desired == story.service.holds


@given(st.permutations([(number, STATES[number % 3]) for number in range(2, 8)]), st.data())
def test_the_order_and_number_of_desired_states_do_not_matter(states: list[Any], data: st.DataObject) -> None:
    delivery = NEW
    for number, state in states + data.draw(st.lists(st.sampled_from(states))):
        delivery = wanted(delivery, state, number, NOON)
    assert (delivery.desired, delivery.number, delivery.due) == (STATES[7 % 3], 7, NOON)

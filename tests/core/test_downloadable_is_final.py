"""By exhaustion: which change of facts takes a downloadable certificate away, for what cause and when, and no other.

A certificate becomes downloadable in each of three ways: it is earned, it rests on the allowlist, or the old logic
recorded it. Then the facts are `before`, and then, all at one instant, `after`. What happens is compared with an
independent statement of the listed causes, for every pair of states of the facts that the causes name (invalidations,
the entry on passing, the allowlist), times what else may fail.

What else may fail (mode, ID verification, beta tester, switches ...) is not paired in full: the causes don't name it,
so it can matter only by whether all rules hold. Each is taken alone: in place all the time, failing all the time,
coming to fail, and coming to hold. That no change among them, whatever combination, does anything to a downloadable
certificate is the second test.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import product
from typing import Any

import pytest

from certrules.core.fact_types import Approval, Enrollment, Fact, Recorded
from certrules.core.facts import Record
from certrules.core.instants import BEGINNING
from certrules.core.policy import DEFAULT, Policies
from certrules.core.replay import replay
from certrules.core.terms import PERSON, Cause, Status
from certrules.core.timeline import Entry
from tests.scenes.phrases import CCX, COURSE_RUN, instant

DARK = replace(DEFAULT, version="dark", web_certificates=False)
HOLD = DEFAULT.hold
START, BEFORE, AFTER, END = (instant(f"day {day}") for day in (1, 3, 5, 9))
IN_TIME = Approval(None)
EXPIRED = Approval(instant("day 0"))


@dataclass(frozen=True, slots=True)
class Named:
    """The facts that the listed causes name."""

    invalidations: frozenset[str]
    passed: bool | None
    allowlisted: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Others:
    """The facts that they don't name."""

    mode: str | None = "verified"
    id_verification: Approval | None = IN_TIME
    beta_tester: bool = False
    course_run_known: bool = True
    web_certificates: bool = True  # of the course run
    dark: bool = False  # web certificates are off for the deployment
    ccx: bool = False

    def hold(self, *, allowlisted: bool) -> bool:
        """Whether none of them stands against a certificate."""
        waivable = allowlisted or not (self.beta_tester or self.ccx)
        return waivable and self == replace(IN_PLACE, beta_tester=self.beta_tester, ccx=self.ccx)


IN_PLACE = Others()
FAILING = (
    Others(mode="audit"),
    Others(id_verification=None),
    Others(id_verification=EXPIRED),
    Others(beta_tester=True),
    Others(web_certificates=False),
    Others(dark=True),
)
UNRECEIVED = (Others(mode=None), Others(course_run_known=False))  # what was received once never becomes unknown again

#: By symmetry of their names two exams stand for any number; a person's invalidation is distinct from theirs.
SUBJECTS = (PERSON, "final", "midterm")
NAMED = tuple(
    Named(frozenset(subjects), passed, allowlisted)
    for subjects in ((), ("",), ("final",), ("midterm",), ("", "final"), ("final", "midterm"))
    for passed in (None, True, False)
    for allowlisted in (False, True)
)


# --- the independent statement


@dataclass(frozen=True, slots=True)
class Loss:
    """The certificate stops being downloadable."""

    cause: Cause
    at: datetime


def _first_loss(way: str, before: Named, after: Named, others: tuple[Others, Others]) -> Loss | None:
    """Return whether the certificate is lost when `before` becomes `after`; it is downloadable until then."""
    appeared = after.invalidations - before.invalidations
    if PERSON in appeared:
        return Loss(Cause.INVALIDATED, AFTER)
    if after.allowlisted:
        return None
    if appeared:
        return Loss(Cause.EXAM_REJECTED, AFTER)
    falls = after.passed is False and before.passed is True
    if before.allowlisted:
        fell_earlier = way != "recorded" and before.passed is False  # since it is downloadable: the word was another
        fallen = after.passed is False and fell_earlier
        active_at_the_record = before.invalidations if way == "recorded" else frozenset()
        newly_invalidated = not after.invalidations <= active_at_the_record
        if not _earned(way, before, after, others) or fallen or newly_invalidated:
            return Loss(Cause.ALLOWLIST_REMOVED, AFTER)
    return Loss(Cause.GRADE_FELL, AFTER + HOLD) if falls else None


def _earned(way: str, before: Named, after: Named, others: tuple[Others, Others]) -> bool:
    """Return whether the certificate was ever due without the allowlist, or the old logic gave it without it."""
    if way == "earned":
        return True
    if way == "recorded" and before.passed and not (others[0].beta_tester or others[0].ccx):
        return True
    return any(
        named.passed and not named.invalidations and other.hold(allowlisted=False)
        for named, other in zip((before, after), others, strict=True)
    )


def _is_lost_before(way: str, before: Named, others: Others) -> bool:
    """Return whether `before` takes away at once, or after the hold, what was earned or rested on the allowlist."""
    if way == "recorded":
        return False
    if PERSON in before.invalidations or (before.invalidations and not before.allowlisted):
        return True
    if way == "earned":
        return before.passed is False and not before.allowlisted
    earned = bool(before.passed) and not before.invalidations and others.hold(allowlisted=False)
    return not before.allowlisted and not earned


# --- the exhaustion


LISTED = {Cause.INVALIDATED, Cause.EXAM_REJECTED, Cause.GRADE_FELL, Cause.ALLOWLIST_REMOVED}


@pytest.mark.parametrize(
    ("way", "ccx", "possible"),
    [
        ("earned", False, LISTED),
        ("allowlisted", False, LISTED),
        ("recorded", False, LISTED),
        ("recorded", True, LISTED),
        ("allowlisted", True, LISTED - {Cause.GRADE_FELL}),  # in a CCX nothing stands without the allowlist
    ],
)
def test_only_the_listed_causes_take_a_downloadable_certificate_away(way: str, ccx: bool, possible: set[Cause]) -> None:
    seen: set[Cause | None] = set()
    for before, after in product(NAMED, NAMED):
        if after.passed is None and (before.passed is not None or way == "earned"):
            continue  # no entry on passing takes the last one back
        if way == "earned" and before.passed is None:
            continue
        for others in _pairs_of_others(way, ccx=ccx):
            if _is_lost_before(way, before, others[0]):
                continue
            expected = _first_loss(way, before, after, others)
            assert _loss_of(way, before, after, others) == expected, (way, before, after, others)
            seen.add(expected.cause if expected else None)
    assert seen == {None, *possible}


@pytest.mark.parametrize("way", ["earned", "recorded"])
def test_nothing_else_takes_it_away_in_whatever_combination(way: str) -> None:
    standing = Named(frozenset(), passed=True, allowlisted=False)
    combinations = [
        Others(mode=mode, id_verification=approval, beta_tester=tester, web_certificates=web, dark=dark)
        for mode, approval, tester, web, dark in product(
            ("verified", "audit"), (IN_TIME, None, EXPIRED), (False, True), (False, True), (False, True)
        )
    ]
    for others in product(combinations, combinations):
        assert _loss_of(way, standing, standing, others) is None, others


def _pairs_of_others(way: str, *, ccx: bool) -> Iterator[tuple[Others, Others]]:
    in_place = replace(IN_PLACE, ccx=ccx)
    yield in_place, in_place
    for failing in FAILING if not ccx else FAILING[:1]:  # a CCX is one thing more of the same kind that fails
        other = replace(failing, ccx=ccx)
        yield from ((in_place, other), (other, in_place), (other, other))
    if way == "recorded":
        for unreceived in UNRECEIVED:
            other = replace(unreceived, ccx=ccx)
            yield from ((other, in_place), (other, other))


def _loss_of(way: str, before: Named, after: Named, others: tuple[Others, Others]) -> Loss | None:
    """Replay it, and return the first loss after the facts were `before`."""
    course_run = CCX if others[0].ccx else COURSE_RUN
    record = Record(7, course_run, (*_start(way, before, others[0]), *_reported(AFTER, after, others[1])))
    outcome = replay(record, _policies(*others), END)
    # The facts changed at BEFORE, long enough ago for every hold to have ended.
    assert not any(change.previous is Status.DOWNLOADABLE and change.at < AFTER for change in outcome.transitions), (
        "not downloadable when the facts change"
    )
    losses = [change for change in outcome.transitions if change.previous is Status.DOWNLOADABLE]
    return Loss(losses[0].cause, losses[0].at) if losses else None


def _start(way: str, before: Named, others: Others) -> tuple[Entry, ...]:
    """Return what makes the certificate downloadable, with the facts as they are `before`."""
    if way == "recorded":
        recorded = Recorded(Status.DOWNLOADABLE, "verified", "0.9", "abc", START, START)
        return (*_reported(START, before, others), _entry(BEFORE, Fact.RECORDED, "", recorded))
    qualifying = Named(frozenset(), True if way == "earned" else None, allowlisted=way == "allowlisted")
    return (*_reported(START, qualifying, replace(IN_PLACE, ccx=others.ccx)), *_reported(BEFORE, before, others))


_tellings: dict[tuple[datetime, Named, Others], tuple[Entry, ...]] = {}


def _reported(at: datetime, named: Named, others: Others) -> tuple[Entry, ...]:
    key = (at, named, others)
    if key not in _tellings:
        _tellings[key] = tuple(_show(at, named, others))
    return _tellings[key]


def _show(at: datetime, named: Named, others: Others) -> Iterator[Entry]:
    """Return all facts at one instant, whether or not they change."""
    if others.mode is not None:
        yield _entry(at, Fact.ENROLLMENT, "", Enrollment(others.mode, active=True))
    if others.course_run_known:
        yield _entry(at, Fact.COURSE_RUN, "web_certificates_enabled", others.web_certificates)
    yield _entry(at, Fact.ID_VERIFICATION, "1", others.id_verification)
    yield _entry(at, Fact.BETA_TESTER, "", others.beta_tester)
    yield _entry(at, Fact.ALLOWLIST, "", named.allowlisted)
    for subject in SUBJECTS:
        yield _entry(at, Fact.INVALIDATION, subject, subject in named.invalidations)
    if named.passed is not None:
        yield _entry(at, Fact.PASSING, "", named.passed)


def _entry(at: datetime, fact: Fact, subject: str, value: Any) -> Entry:
    return Entry(at, f"{at:%d}-{fact}-{subject}", fact, subject, value, by="ada")


def _policies(before: Others, after: Others) -> Policies:
    """Return the deployment's policies: it has web certificates at the start."""
    if not (before.dark or after.dark):
        return ((BEGINNING, DEFAULT),)
    return (
        (BEGINNING, DEFAULT),
        (BEFORE, DARK if before.dark else DEFAULT),
        (AFTER, DARK if after.dark else DEFAULT),
    )


def test_the_hold_is_shorter_than_the_days_between() -> None:
    assert timedelta(0) < HOLD < AFTER - BEFORE

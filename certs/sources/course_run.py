"""A made-up course run with a realistic, seeded history, in the order in which its events would be delivered.

The shares below describe a run whose certificates are paid for. About 6 in a hundred of its participants get
one: the upper part of what is published for such runs (Chuang and Ho, "HarvardX and MITx: Four Years of Open
Online Courses", 2016: from 0 to 12 in a hundred, half of them below 2), because support's work is with those
learners. What goes wrong is as rare as it may be while a thousand learners still show each kind of it.
"""

from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import chain
from operator import itemgetter
from random import Random
from typing import override
from uuid import UUID

from certs.sources import event_builders
from certs.sources.event_builders import Detail
from certs.sources.storylines import (
    DAY,
    ENROLLMENT_OPENS,
    HOUR,
    RUN_ENDS,
    RUN_STARTS,
    Staff,
    Storyline,
    deliveries,
)

COURSE_RUN = "course-v1:DemoX+CS101+2026_T1"

UPGRADE_DEADLINE = datetime(2026, 3, 2, 23, tzinfo=UTC)
CUTOVER = datetime(2026, 3, 23, 6, tzinfo=UTC)  # the old logic's certificates are imported; it stops

# --- what learners enroll in
IN_CCX = 0.01  # with a coach, in a custom course of the run
VERIFIED_AT_ONCE = 0.09
HONOR = 0.04  # of the others; the rest audits
UPGRADES = 0.06  # of those who audit
UNENROLLS = {"audit": 0.06, "honor": 0.04, "verified": 0.02}
BETA_TESTER = 0.01
BETA_ENDS = 0.4  # of beta testers, before the run starts

# --- whether they learn
NEVER_GRADED = {"audit": 0.72, "honor": 0.5, "verified": 0.12}
PASSES = {"audit": 0.04, "honor": 0.15, "verified": 0.62}  # assumed: what is published counts no modes

# --- ID verification, of verified learners; the rest is approved once, in time
NEVER_TRIES = 0.08
DENIED_FOR_GOOD = 0.03
DENIED_THEN_APPROVED = 0.08
EXPIRES_DURING_RUN = 0.10  # approved for another course run two years before
RENEWS = 0.6  # of those, sooner or later

# --- what happens to those who passed
FALLS_FOR_GOOD = 0.04
FALLS_WITHIN_HOUR = 0.05  # a grading job went wrong and was run again
FALLS_FOR_DAYS = 0.04

# --- exams and people, of verified learners
EXAM_VERIFIED = 0.25
EXAM_REJECTED = 0.05
REJECTION_LIFTED = 0.7  # by a second look, or a new attempt
INVALIDATED = 0.03  # of those who passed
INVALIDATION_LIFTED = 0.5
ALLOWLISTED = 0.1  # of those who don't pass
ALLOWLIST_REMOVED = 0.4
DATE_OVERRIDDEN = 0.03  # of those who passed
ASKS_SUPPORT = 0.04
ERASED = 0.01

# --- the old logic, up to the cutover
AWARDED_IN_ERROR = 0.5  # of those who passed without an ID verification that was valid then

WEEKS = 13
LETTERS = ((0.85, "A"), (0.7, "B"), (0.6, "C"))
VERIFIED_FOR = 730 * DAY

STAFF = "course-staff-2"
SUPPORT = "support-4"
INTEGRITY = "integrity-desk-1"


def history(learners: int = 1000, seed: int = 2026, course_run: str = COURSE_RUN) -> Iterator[Detail]:
    """Yield the details of all events in order of delivery: shuffled, some of them twice, late or malformed.

    The same arguments give the same events, and a learner's own do not depend on how many others there are.
    """
    people = (_Learner(Random(f"{seed}/{number}"), course_run, number) for number in range(1, learners + 1))
    storylines: Iterable[Storyline] = chain([Staff(Random(f"{seed}/team"), course_run)], people)
    delivered = [
        (delivered_at, detail)
        for storyline in storylines
        for detail in storyline.story()
        for delivered_at in deliveries(storyline.chance, detail)
    ]
    delivered.sort(key=itemgetter(0))
    for _, detail in delivered:
        yield detail


@dataclass
class _Learner(Storyline):
    """One learner, from enrollment on."""

    learner_id: int
    mode: str = "audit"
    verifications: list[tuple[datetime, datetime]] = field(default_factory=list)  # approved from, to
    percent: float = 0.0
    passed_at: datetime | None = None

    @override
    def story(self) -> Iterator[Detail]:
        if self.happens(IN_CCX):
            yield from self._learns_in_ccx()
            return
        enrolled_at = self.between(ENROLLMENT_OPENS, RUN_STARTS + 21 * DAY)
        yield from self._enrolls(enrolled_at)
        if self.happens(BETA_TESTER):
            yield from self._tests_the_run()
        last_at = yield from self._learns(enrolled_at)
        if self.passed_at:
            yield from self._is_regraded()
            yield from self._meets_the_old_logic(self.passed_at)
        if self.mode == "verified":
            yield from self._sits_the_exam()
            yield from self._meets_people()
        if self.happens(UNENROLLS[self.mode]):
            yield self._enrollment(
                "course.unenrollment.completed", self.between(last_at, RUN_ENDS + 10 * DAY), enrolled_at
            )

    # --- enrollment

    def _enrollment(self, event: event_builders.EnrollmentEvent, at: datetime, created: datetime) -> Detail:
        return event_builders.enrollment(
            event,
            *self.stamp(at),
            self.learner_id,
            self.course_run,
            mode=self.mode,
            created=created.replace(microsecond=0),
        )

    def _enrolls(self, at: datetime) -> Iterator[Detail]:
        at_once = self.happens(VERIFIED_AT_ONCE)
        if not at_once and self.happens(HONOR):
            self.mode = "honor"
        yield self._enrollment("course.enrollment.created", at, at)
        if at_once or (self.mode == "audit" and self.happens(UPGRADES)):
            start = max(at, RUN_STARTS)
            upgraded_at = self.later(at, HOUR / 12, HOUR) if at_once else self.between(start, UPGRADE_DEADLINE)
            self.mode = "verified"
            yield self._enrollment("course.enrollment.changed", upgraded_at, at)
            yield event_builders.learner(
                "learner.named",
                *self.stamp(upgraded_at),
                self.learner_id,
                username=f"learner{self.learner_id}",
                name=f"Learner {self.learner_id}",
            )
            yield from self._verifies_id(upgraded_at)

    def _tests_the_run(self) -> Iterator[Detail]:
        added_at = self.between(ENROLLMENT_OPENS, RUN_STARTS - 14 * DAY)
        yield event_builders.course_access_role(
            "user.course_access_role.added", *self.stamp(added_at), self.learner_id, self.course_run
        )
        if self.happens(BETA_ENDS):
            removed_at = self.between(RUN_STARTS - 14 * DAY, RUN_STARTS)
            yield event_builders.course_access_role(
                "user.course_access_role.removed", *self.stamp(removed_at), self.learner_id, self.course_run
            )

    def _learns_in_ccx(self) -> Iterator[Detail]:
        at = self.between(ENROLLMENT_OPENS, RUN_STARTS)
        yield event_builders.enrollment(
            "course.enrollment.created", *self.stamp(at), self.learner_id, self.ccx, mode="honor"
        )
        graded_at = self.between(RUN_STARTS + 40 * DAY, RUN_ENDS)
        yield event_builders.passing_status(
            "ccx.course.passing.status.updated",
            *self.stamp(graded_at),
            self.learner_id,
            self.ccx,
            is_passing=self.happens(0.5),
        )

    # --- ID verification

    def _verifies_id(self, at: datetime) -> Iterator[Detail]:
        first_at = self.later(at, HOUR, 10 * DAY)
        match self.fate(
            never=NEVER_TRIES,
            denied=DENIED_FOR_GOOD,
            second_try=DENIED_THEN_APPROVED,
            expiring=EXPIRES_DURING_RUN,
        ):
            case "never":
                return
            case "denied":
                yield self._denied(first_at, attempt=1)
            case "second_try":
                yield self._denied(first_at, attempt=1)
                yield self._approved(self.later(first_at, HOUR, 8 * DAY), attempt=2)
            case "expiring":
                expires = self.between(RUN_STARTS, RUN_ENDS - 30 * DAY)
                yield self._approved(expires - VERIFIED_FOR, attempt=1)
                if self.happens(RENEWS):
                    yield self._approved(self.later(expires, -10 * DAY, 45 * DAY), attempt=2)
            case _:
                yield self._approved(first_at, attempt=1)

    def _approved(self, at: datetime, attempt: int) -> Detail:
        start = at.replace(microsecond=0)
        expires = start + VERIFIED_FOR
        self.verifications.append((start, expires))
        attempt_id = 10 * self.learner_id + attempt
        return event_builders.idv_attempt(
            "idv_attempt.approved",
            *self.stamp(start),
            self.learner_id,
            attempt_id=attempt_id,
            expires=expires,
        )

    def _denied(self, at: datetime, attempt: int) -> Detail:
        attempt_id = 10 * self.learner_id + attempt
        return event_builders.idv_attempt("idv_attempt.denied", *self.stamp(at), self.learner_id, attempt_id=attempt_id)

    # --- grades

    def _learns(self, enrolled_at: datetime) -> Generator[Detail, None, datetime]:
        """Yield the platform's computations as homework comes in, and return when the last one was."""
        last_at = enrolled_at
        if self.happens(NEVER_GRADED[self.mode]):
            return last_at
        passes = self.happens(PASSES[self.mode])
        final = self.chance.uniform(0.62, 0.98) if passes else self.chance.uniform(0.02, 0.58)
        weeks = WEEKS if passes else self.chance.randint(1, WEEKS)
        for week in range(1, weeks + 1):
            at = self.between(RUN_STARTS + (week - 1) * 7 * DAY, RUN_STARTS + week * 7 * DAY)
            if at > enrolled_at and (week == weeks or self.happens(0.7)):
                last_at = at
                yield from self._graded(at, final * week / WEEKS)
        return last_at

    def _graded(self, at: datetime, percent: float) -> Iterator[Detail]:
        """Yield one computation: the grade, and the passing status, which the platform repeats every time."""
        at = at.replace(microsecond=0)
        self.percent = round(percent, 2)
        letter = next((letter for cutoff, letter in LETTERS if self.percent >= cutoff), "")
        if letter and self.passed_at is None:
            self.passed_at = at
        yield event_builders.grade_summary(
            "course.persistent_grade_summary.changed",
            *self.stamp(at),
            self.learner_id,
            self.course_run,
            percent=self.percent,
            letter=letter,
            passed=self.passed_at,
            edited=RUN_STARTS,
        )
        yield event_builders.passing_status(
            "course.passing.status.updated",
            *self.stamp(at),
            self.learner_id,
            self.course_run,
            is_passing=bool(letter),
        )

    def _is_regraded(self) -> Iterator[Detail]:
        """Yield a grade that falls to failing after the run, and its recovery if there is one."""
        percent = self.percent
        fallen_at = self.later(RUN_ENDS, DAY, 10 * DAY)
        match self.fate(for_good=FALLS_FOR_GOOD, within_hour=FALLS_WITHIN_HOUR, for_days=FALLS_FOR_DAYS):
            case "for_good":
                yield from self._graded(fallen_at, 0.55)
                yield from self._graded(self.later(fallen_at, DAY, 5 * DAY), 0.55)  # a repeat is no fall
            case "within_hour":
                yield from self._graded(fallen_at, 0.0)
                yield from self._graded(self.later(fallen_at, HOUR / 12, HOUR * 5 / 6), percent)
            case "for_days":
                yield from self._graded(fallen_at, 0.55)
                yield from self._graded(self.later(fallen_at, DAY, 6 * DAY), percent)
            case _:
                pass  # most grades stay

    # --- exams and people

    def _sits_the_exam(self) -> Iterator[Detail]:
        at = self.between(RUN_ENDS - 10 * DAY, RUN_ENDS + 5 * DAY)
        if self.happens(EXAM_REJECTED):
            yield self._exam_attempt("exam.attempt.rejected", at)
            if self.happens(REJECTION_LIFTED):
                verdict: event_builders.ExamEvent = (
                    "exam.attempt.verified" if self.happens(0.5) else "exam.attempt.reset"
                )
                yield self._exam_attempt(verdict, self.later(at, DAY, 10 * DAY))
        elif self.happens(EXAM_VERIFIED):
            yield self._exam_attempt("exam.attempt.verified", at)

    def _exam_attempt(self, event: event_builders.ExamEvent, at: datetime) -> Detail:
        return event_builders.exam_attempt(
            event, *self.stamp(at), self.learner_id, self.course_run, usage_key=self.exam
        )

    def _meets_people(self) -> Iterator[Detail]:
        at = self.later(RUN_ENDS, 2 * DAY, 15 * DAY)
        then = self.later(at, DAY, 15 * DAY)
        about = (self.learner_id, self.course_run)
        if self.passed_at and self.happens(INVALIDATED):
            yield event_builders.invalidation(
                "invalidation.created",
                *self.stamp(at),
                *about,
                by=INTEGRITY,
                notes="Work shared with another learner.",
            )
            if self.happens(INVALIDATION_LIFTED):
                yield event_builders.invalidation(
                    "invalidation.lifted",
                    *self.stamp(then),
                    *about,
                    by=INTEGRITY,
                    notes="The appeal was granted.",
                )
        if self.passed_at and self.happens(DATE_OVERRIDDEN):
            yield event_builders.date_override(
                "date_override.set",
                *self.stamp(at),
                *about,
                by=SUPPORT,
                notes="Asked for by the employer.",
                date=RUN_ENDS,
            )
            if self.happens(0.3):
                yield event_builders.date_override(
                    "date_override.removed", *self.stamp(then), *about, by=SUPPORT, notes="No longer needed."
                )
        if self.passed_at is None and self.happens(ALLOWLISTED):
            yield event_builders.allowlist(
                "allowlist.entry.added", *self.stamp(at), *about, by=STAFF, notes="Ill during the final exam."
            )
            if self.happens(ALLOWLIST_REMOVED):
                yield event_builders.allowlist(
                    "allowlist.entry.removed", *self.stamp(then), *about, by=STAFF, notes="Added by mistake."
                )
        if self.happens(ASKS_SUPPORT):
            yield event_builders.generation_request(
                "generation.requested",
                *self.stamp(then),
                *about,
                by=SUPPORT,
                notes="The learner misses a certificate.",
            )
        if self.happens(ERASED):
            yield event_builders.learner("learner.erased", *self.stamp(then), self.learner_id)

    # --- the old logic

    def _meets_the_old_logic(self, passed_at: datetime) -> Iterator[Detail]:
        """Yield the old logic's certificate of a learner who passed before the cutover, and its import."""
        made_at = self.later(passed_at, HOUR / 60, HOUR / 2).replace(microsecond=0)
        if made_at >= CUTOVER:
            return
        status = "downloadable"
        if self.mode != "verified":
            status = f"{self.mode}_passing"
        elif not any(start <= passed_at < end for start, end in self.verifications):
            status = "downloadable" if self.happens(AWARDED_IN_ERROR) else "unverified"
        certificate_id = UUID(int=self.chance.getrandbits(128), version=4)
        about = (self.learner_id, self.course_run)
        grade = str(self.percent)
        yield event_builders.certificate(
            "certificate.created",
            *self.stamp(made_at),
            *about,
            mode=self.mode,
            grade=grade,
            status=status,
            certificate_id=certificate_id,
        )
        yield event_builders.recorded_certificate(
            "recorded",
            *self.stamp(CUTOVER),
            *about,
            status=status,
            mode=self.mode,
            grade=grade,
            certificate_id=certificate_id,
            created=made_at,
            modified=made_at,
        )

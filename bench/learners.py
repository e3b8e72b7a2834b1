"""Many different learners: their records, drawn by a seed with shares like those of a real course run."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from random import Random

from certrules.core.fact_types import Approval, Enrollment, Fact, Grade
from certrules.core.facts import Facts, Record
from certrules.core.policy import PRESETS
from certrules.core.terms import PERSON
from certrules.core.timeline import Entry

COURSE_RUNS = ("course-v1:CertX+CS101+2026", "course-v1:CertX+CS102+2026", "course-v1:CertX+CS103+2026")
STARTS = datetime(2025, 1, 13, 9, tzinfo=UTC)
ENDS = STARTS + timedelta(days=120)
"""After every entry."""

type Value = tuple[Fact, str, object, str]


def records(number: int, entries: int, *, restless: bool = False) -> list[Record]:
    """Return records of so many entries each; if `restless`, every one of them changes a fact."""
    chance = Random(f"{entries}/{restless}")
    return [
        Record(learner_id, chance.choice(COURSE_RUNS), tuple(_timeline(chance, learner_id, entries, restless)))
        for learner_id in range(1, number + 1)
    ]


def _timeline(chance: Random, learner_id: int, entries: int, restless: bool) -> Iterator[Entry]:
    at = STARTS - timedelta(days=60)
    for position, (fact, subject, value, by) in enumerate(_values(chance, entries, restless)):
        if position != 1:  # the first two are one event: the course run is configured
            at += timedelta(seconds=chance.randrange(3600, 6 * 86400))
        yield Entry(at, f"{learner_id:08}-{position - (position == 1):04}", fact, subject, value, by, by and "ticket")


def _values(chance: Random, entries: int, restless: bool) -> list[Value]:
    """Return the entries of one learner, in order."""
    values: list[Value] = [
        (Fact.COURSE_RUN, "", True, ""),
        (Fact.COURSE_RUN, "web_certificates_enabled", chance.random() < 0.97 and not restless, ""),
        (Fact.ENROLLMENT, "", Enrollment(chance.choice(("audit", "audit", "honor")), active=True), ""),
    ]
    if restless:
        values.append((Fact.COURSE_RUN, "web_certificates_enabled", True, ""))
        values.append((Fact.ENROLLMENT, "", Enrollment("verified", active=True), ""))
        values.append((Fact.ID_VERIFICATION, "1", Approval(None), ""))
        passes = bool(chance.randrange(2))
        while len(values) < entries:
            values.append((Fact.PASSING, "", passes, ""))
            passes = not passes
        return values
    if chance.random() < 0.7:
        values.append((Fact.ENROLLMENT, "", Enrollment("verified", active=True), ""))
    if chance.random() < 0.85:
        expires_at = STARTS + timedelta(days=chance.choice((30, 700, 700, 700)))
        values.append((Fact.ID_VERIFICATION, "1", Approval(expires_at), ""))
    while len(values) < entries:
        values.append(_graded_work(chance) if chance.random() < 0.85 else _exceptional(chance))
    return values


def _graded_work(chance: Random) -> Value:
    if chance.random() < 0.5:
        return (Fact.GRADE, "", Grade(chance.randrange(100) / 100, ""), "")
    return (Fact.PASSING, "", chance.random() < 0.6, "")


def _exceptional(chance: Random) -> Value:
    values: tuple[Value, ...] = (
        (Fact.ALLOWLIST, "", True, "ada"),
        (Fact.ALLOWLIST, "", False, "ada"),
        (Fact.BETA_TESTER, "", True, ""),
        (Fact.INVALIDATION, PERSON, True, "bob"),
        (Fact.INVALIDATION, PERSON, False, "bob"),
        (Fact.INVALIDATION, "final exam", True, ""),
        (Fact.INVALIDATION, "final exam", False, ""),
        (Fact.ID_VERIFICATION, "2", None, ""),
        (Fact.DATE_OVERRIDE, "", ENDS, "ada"),
    )
    return chance.choice(values)


def odd_facts(number: int) -> Iterator[Facts]:
    """Yield facts with every value as likely as the others: combinations that hardly any learner has."""
    chance = Random(number)
    policies = [replace(policy, web_certificates=web) for policy in PRESETS.values() for web in (True, True, False)]
    for _ in range(number):
        verified, expired = chance.choice(((False, False), (True, False), (False, True)))
        yield Facts(
            ENDS,
            None,
            chance.choice(policies),
            ccx=chance.random() < 0.5,
            course_run_known=chance.random() < 0.5,
            web_certificates=chance.random() < 0.5,
            mode=chance.choice((None, "audit", "honor", "verified", "masters", "no-id-professional")),
            passed=chance.choice((None, True, False)),
            id_verified=verified,
            id_verification_expired=expired,
            beta_tester=chance.random() < 0.5,
            allowlisted=chance.random() < 0.5,
            invalidations=frozenset(chance.sample((PERSON, "final exam"), chance.randrange(3))),
        )

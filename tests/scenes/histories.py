"""Strategies for histories: what may be received of one learner in one course run, in any order and at any instant.

The instants are few, so that entries collide; they lie 20 minutes apart, so that holds (of nothing, 20 minutes, an
hour) and ID verifications end at instants at which something else is received. The simplest values come first, so that
a failing history shrinks to many of those and the few that matter.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from random import Random
from typing import Any

from hypothesis import strategies as st

from certrules.core.fact_types import Approval, Enrollment, Fact, Grade, Recorded
from certrules.core.facts import Record
from certrules.core.policy import PRESETS, Overrides, Policies, read_policies, undated
from certrules.core.terms import AUTOMATIC, PERSON, Cause, Status
from certrules.core.terms import RevocationAction as Stated
from certrules.core.timeline import Entry, merge

FIRST = datetime(2026, 1, 1, tzinfo=UTC)
STEP = timedelta(minutes=20)
INSTANTS = tuple(FIRST + number * STEP for number in range(18))
END = FIRST + timedelta(days=1)
"""After every instant of a history, and after every hold and every ID verification that ends."""

CORE_FACTS: Mapping[str, tuple[Fact, ...]] = {
    "enrollment": (Fact.ENROLLMENT,),
    "grade": (Fact.PASSING, Fact.GRADE),
    "ID verification": (Fact.ID_VERIFICATION,),
    "course run": (Fact.COURSE_RUN,),
}
"""The facts that are unknown, not "no", while nothing about them was received."""

type Value = tuple[Fact, str, Any, str]

_ENROLLMENTS = [Enrollment(mode, active=True) for mode in ("verified", "honor", "audit", "no-id-professional")]
_APPROVALS = [Approval(None), *(Approval(INSTANTS[number]) for number in (4, 9, 14))]
_OVERRIDES = [
    None,
    Overrides(preset="open-edx"),
    Overrides(id_verification_required=False),
    Overrides(hold=timedelta(0)),
    Overrides(hold=STEP),
]
_RECORDED = [
    Recorded(status, "verified", "0.8", certificate_id, created, modified)
    for status in (Status.DOWNLOADABLE, Status.NOTPASSING, Status.UNAVAILABLE, Status.UNVERIFIED, Status.ERROR)
    for certificate_id, created, modified in (("", None, None), ("recorded", INSTANTS[0], INSTANTS[1]))
]
_RECORDED += [Recorded(Status.DOWNLOADABLE, mode, "", "", INSTANTS[2], None) for mode in ("audit", "")]

#: What can be reported. What qualifies a learner comes more often, or hardly anybody would have a certificate.
WORDING: tuple[Value, ...] = (
    *[(Fact.PASSING, "", True, "")] * 8,
    *[(Fact.PASSING, "", False, "")] * 6,
    *[(Fact.ENROLLMENT, "", _ENROLLMENTS[0], "")] * 4,
    *((Fact.ENROLLMENT, "", enrollment, "") for enrollment in _ENROLLMENTS),
    (Fact.ENROLLMENT, "", Enrollment("verified", active=False), ""),
    *[(Fact.COURSE_RUN, "", True, "")] * 3,
    *((Fact.COURSE_RUN, "web_certificates_enabled", enabled, "ada") for enabled in (True, True, False)),
    *((Fact.COURSE_RUN, "policy", overrides, "ada") for overrides in _OVERRIDES),
    *((Fact.ID_VERIFICATION, attempt, approval, "") for attempt in ("1", "2", "3") for approval in _APPROVALS),
    *((Fact.ID_VERIFICATION, attempt, None, "") for attempt in ("1", "2", "3")),
    *((Fact.BETA_TESTER, "", tester, "ada") for tester in (True, False, False)),
    *((Fact.ALLOWLIST, "", listed, by) for listed in (True, False) for by in ("ada", "bob", "system:cleanup", "")),
    *((Fact.INVALIDATION, subject, True, "ada") for subject in (PERSON, PERSON, "final", "midterm")),
    *((Fact.INVALIDATION, subject, False, "bob") for subject in (PERSON, "final", "midterm", "quiz") * 2),
    *[(Fact.INVALIDATION, PERSON, False, "system:audit")] * 2,
    *((Fact.RECORDED, "", recorded, by) for recorded in _RECORDED for by in ("", "ada")),
    *((Fact.GRADE, "", Grade(percent, letter), "") for percent, letter in ((0.4, ""), (0.9, "A"))),
    *((Fact.DATE_OVERRIDE, "", date, "ada") for date in (INSTANTS[3], None)),
    *((Fact.REVOCATION, cause, stated, "ada") for cause in sorted(AUTOMATIC) for stated in Stated),
    *(
        (Fact.REVOCATION, cause, stated, "ada")
        for cause in (Cause.RECORDED_WHILE_INVALIDATED, Cause.NEVER_PASSED)
        for stated in (Stated.RELEASED, Stated.DISCARDED)
    ),
    (Fact.REVOCATION, Cause.GRADE_FELL, Stated.RELEASED, "system:cleanup"),
    *[(Fact.REVOCATION, Cause.NEVER_PASSED, Stated.RELEASED, "ada")] * 2,
    *[(Fact.REVOCATION, Cause.LATE_ENTRY, Stated.HELD, "system:compaction")] * 3,
    *[(Fact.REVOCATION, Cause.LATE_ENTRY, stated, "ada") for stated in (Stated.RELEASED, Stated.DISCARDED)],
    (Fact.AUTOMATIC_REVOCATIONS, "", False, "ada"),
)

_QUALIFYING: tuple[Value, ...] = (
    (Fact.COURSE_RUN, "", True, ""),
    (Fact.ENROLLMENT, "", _ENROLLMENTS[0], ""),
    (Fact.ID_VERIFICATION, "1", Approval(None), ""),
    (Fact.PASSING, "", True, ""),
)


#: The values of a history in which everything is received (mostly), or all but one of the core facts. Without a
#: passing entry, certificates are those of the old logic.
_VOCABULARIES = (
    *[WORDING] * 8,
    *[tuple(phrase for phrase in WORDING if phrase[:3] != (Fact.PASSING, "", True))] * 2,
    *(tuple(phrase for phrase in WORDING if phrase[0] not in unreceived) for unreceived in CORE_FACTS.values()),
)


@st.composite
def entries(draw: st.DrawFn, *, min_size: int = 30, max_size: int = 50) -> list[Entry]:
    """Draw the entries of a history, by event id: which is neither the order in time nor that of delivery.

    Most learners qualify at the first instant; what comes later may undo it. The entries are drawn as two bytes
    each, instant and word, because one draw is a hundred times faster than a hundred.
    """
    phrases = draw(st.sampled_from(_VOCABULARIES))
    drawn = draw(st.binary(min_size=2 * min_size, max_size=2 * max_size))
    reported = [
        (INSTANTS[at % len(INSTANTS)], phrases[phrase % len(phrases)])
        for at, phrase in zip(drawn[::2], drawn[1::2], strict=False)
    ]
    if draw(st.integers(0, 3)):
        qualifying = [phrase for phrase in _QUALIFYING if phrase in phrases]
        reported[: len(qualifying)] = [(INSTANTS[0], phrase) for phrase in qualifying]
    return [Entry(at, f"event-{number:03}", *phrase) for number, (at, phrase) in enumerate(reported)]


@st.composite
def deliveries(draw: st.DrawFn, reported: list[Entry]) -> list[list[Entry]]:
    """Draw how entries come in: shuffled, some of them twice, in batches."""
    chance = Random(draw(st.integers(0, 2**32)))  # drawn by its seed, so that it can be repeated
    delivered = reported + chance.choices(reported, k=chance.randrange(10))
    chance.shuffle(delivered)
    cuts = sorted(chance.sample(range(1, len(delivered)), k=chance.randrange(8)))
    return [delivered[start:stop] for start, stop in pairwise([0, *cuts, len(delivered)])]


def course_runs() -> st.SearchStrategy[str]:
    """Draw a course run, now and then a CCX."""
    run = "course-v1:CertX+CS101+2026"
    return st.sampled_from([run, run, run, "ccx-v1:CertX+CS101+2026+ccx@7"])


@st.composite
def records(draw: st.DrawFn, *, min_size: int = 30, max_size: int = 50) -> Record:
    """Draw a record of all that was received."""
    return Record(7, draw(course_runs()), merge((), draw(entries(min_size=min_size, max_size=max_size))))


_POLICIES: tuple[Policies, ...] = (
    *(undated(policy) for policy in PRESETS.values()),
    read_policies({"hold_seconds": 0}),
    read_policies({"hold_seconds": 1200, "modes_without_id_verification": ["no-id-professional"]}),
    read_policies({"web_certificates": False}),
    read_policies(
        [
            {"since": "2026-01-01T01:00:00Z", "preset": "open-edx-idv", "hold_seconds": 1200},
            {"since": "2026-01-01T02:00:00Z", "preset": "edx-2021", "web_certificates": False},
            {"since": "2026-01-01T03:20:00Z", "preset": "edx-2021"},
        ]
    ),
    read_policies(
        [
            {"since": "2026-01-01T00:00:00Z", "preset": "edx-2021"},
            {"since": "2026-01-01T02:10:00Z", "preset": "open-edx"},
            {"since": "2026-01-01T09:00:00Z", "preset": "open-edx-idv"},
        ]
    ),
)


def policies() -> st.SearchStrategy[Policies]:
    """Draw the policies of a deployment; the default is as likely as all others together."""
    return st.one_of(st.just(_POLICIES[0]), st.sampled_from(_POLICIES))


def instants() -> st.SearchStrategy[datetime]:
    """Draw an instant at which to look: one of the history, one between two, or one around it."""
    return st.sampled_from(
        [*INSTANTS, *(at + STEP / 2 for at in INSTANTS), FIRST - STEP, INSTANTS[-1] + timedelta(hours=2)]
    )

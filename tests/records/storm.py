"""What a storm is drawn from: certificates that change in disorder, renames, and when a program was carried."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random
from typing import NamedTuple

from certrules.core.certificate import Certificate
from certrules.core.deliveries.desired import (
    CourseCredential,
    Desired,
    Grade,
    Kind,
    Target,
    Username,
    four_decimals,
    in_seconds,
)
from certrules.core.fact_types import Fact
from certrules.core.fact_types import Grade as GradeEntry
from certrules.core.guard import PublishedCertificate, PublishedTransition
from certrules.core.instants import BEGINNING
from certrules.core.terms import Cause, Status
from certrules.core.timeline import Entry
from certrules.formats.learner_names import LearnerName, Name
from certrules.storage import Item, Pair, RecordWrite, StoredRecord, change_name, put_item, save_record
from certrules.storage.tables import LEARNER_NAME, learner_key, record_key
from tests.records.scene import A1, A2, B1, NOON
from tests.records.state import User

LASTS = timedelta(hours=5)
DISORDER = timedelta(minutes=30)
RENAMES = 0.02
RUNS = (A1, A2, B1)


class Change(NamedTuple):
    """Something that changes of a learner; without a course run, the username."""

    at: datetime
    learner_id: int
    course_run: str = ""
    is_awarded: bool = False
    percent: float = 0
    override: datetime | None = None
    name: str = ""


@dataclass
class Stored:
    """A learner as the storm has stored it; nobody else writes these items."""

    learner_id: int
    names: list[str] = field(default_factory=list)
    known: LearnerName = field(default_factory=LearnerName)
    item: Item = field(init=False)
    records: dict[str, StoredRecord] = field(default_factory=dict)
    last: dict[str, Change] = field(default_factory=dict)  # by course run
    were_awarded: set[str] = field(default_factory=set)
    carried: list[tuple[datetime, bool]] = field(default_factory=list)  # from when on the program is, or isn't

    def __post_init__(self) -> None:
        """Begin with the name of the learner."""
        self.item = Item(learner_key(self.learner_id), LEARNER_NAME)

    def store(self, change: Change) -> None:
        """Store a change, as the rest of the service does it before its events come."""
        if not change.course_run:
            self.names.append(change.name)
            self.known = self.known.sent(Name(change.name, ""), change.at)
            if change_name(self.item, self.known, is_indexed=False):
                put_item(self.item)
            return
        pair = Pair(self.learner_id, change.course_run)
        stored = self.records.setdefault(change.course_run, StoredRecord(Item(*record_key(pair))))
        status = Status.DOWNLOADABLE if change.is_awarded else Status.NOTPASSING
        cause = Cause.EARNED if change.is_awarded else Cause.GRADE_FELL
        before = stored.published.transitions
        transitions = (*before, PublishedTransition(change.at, status, cause))
        if before and before[-1].status is status:
            transitions = before
        certificate = Certificate(status, "verified", str(change.percent))
        timeline = [Entry(change.at, "grade", Fact.GRADE, "", GradeEntry(change.percent, "Pass"))]
        if change.override is not None:
            timeline.append(Entry(change.at, "override", Fact.DATE_OVERRIDE, "", change.override))
        published = PublishedCertificate(certificate, transitions).with_newest()
        save_record(RecordWrite(pair, stored, tuple(timeline), BEGINNING, published, None, (0, 0)))
        self.last[change.course_run] = change
        if change.is_awarded:
            self.were_awarded.add(change.course_run)
        self.carried.append((change.at, self.is_carried))

    @property
    def is_carried(self) -> bool:
        """Whether the certificates carry the program now: either run of A, and B."""
        held = {run for run, change in self.last.items() if change.is_awarded}
        return bool(held & {A1, A2}) and B1 in held

    def was_carried(self, since: datetime, until: datetime) -> set[bool]:
        """Return whether the program was carried in a span of time: one answer, or both."""
        found = {state for at, state in self.carried if since < at < until}
        before = [state for at, state in self.carried if at <= since]
        return found | {before[-1] if before else False}

    def desired(self) -> Iterator[tuple[Target, Desired]]:
        """Yield what the service should hold at the end, without the program."""
        yield Target(Kind.USERNAME, self.learner_id), Username(name=self.names[-1])
        for run in sorted(self.were_awarded):
            change = self.last[run]
            yield (
                Target(Kind.COURSE, self.learner_id, run),
                CourseCredential(is_awarded=change.is_awarded, mode="verified", date_override=change.override),
            )
            grade = Grade(percent=four_decimals(change.percent), letter="Pass", updated_at=in_seconds(change.at))
            yield Target(Kind.GRADE, self.learner_id, run), grade


@dataclass
class Storm:
    """Changes of learners in two courses, which make a program."""

    seed: int
    count: int
    changes: list[Change] = field(default_factory=list)  # in the order in which they are stored
    learners: dict[int, Stored] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Draw the changes."""
        random = Random(self.seed)
        ids = range(1_000, 1_000 + max(5, self.count // 12))
        self.learners = {learner_id: Stored(learner_id) for learner_id in ids}
        self.changes = [Change(NOON, learner_id, name=f"learner{learner_id}") for learner_id in ids]
        held: defaultdict[tuple[int, str], bool] = defaultdict(bool)
        for at in sorted(NOON + LASTS * random.random() for _ in range(self.count - len(ids))):
            learner_id = random.choice(ids)
            if random.random() < RENAMES:
                name = f"learner{learner_id}-{len(self.changes)}"
                self.changes.append(Change(at, learner_id, name=name))
                continue
            run = random.choice(RUNS)
            held[learner_id, run] = random.random() < 0.7
            override = NOON + timedelta(days=random.randrange(9)) if random.random() < 0.2 else None
            self.changes.append(Change(at, learner_id, run, held[learner_id, run], round(random.random(), 5), override))

    def users(self) -> list[User]:
        """Return the users that the service has: all learners under their first names."""
        return [User(f"learner{learner_id}", learner_id) for learner_id in self.learners]

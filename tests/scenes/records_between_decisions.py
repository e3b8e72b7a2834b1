"""A record between decisions, as the store has it, without a store: deciding is pure."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from certrules.core.deciding import DecidedRecord, Known, decide_record
from certrules.core.fact_types import Approval, Enrollment, Fact
from certrules.core.guard import PublishedCertificate
from certrules.core.instants import BEGINNING
from certrules.core.policy import DEFAULT, undated
from certrules.core.terms import Cause, Rollout, Status
from certrules.core.timeline import Entry, Timeline

RUN = "course-v1:CertX+CS101+2026"
FIRST = datetime(2026, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)
END = FIRST + 400 * DAY
POLICIES = undated(DEFAULT)
VERIFIED = (Entry(FIRST, "id", Fact.ID_VERIFICATION, "1", Approval(None)),)
CONFIGURED = (Entry(FIRST, "run", Fact.COURSE_RUN, "", True),)
ENROLLED = Entry(FIRST, "enrolled", Fact.ENROLLMENT, "", Enrollment("verified", active=True))


class RecordBetweenDecisions:
    """The record of a learner with a verified ID in a known course run that is live."""

    def __init__(self) -> None:
        self.timeline: Timeline = ()
        self.compacted_until = BEGINNING
        self.configuration: Timeline = CONFIGURED
        self.published = PublishedCertificate()
        self.published_statuses: list[Status] = []
        self.losses: list[Cause] = []

    def receive(self, entries: Iterable[Entry], at: datetime = END) -> DecidedRecord:
        """Decide the record with new entries that were sent at an instant, and store the result."""
        decided = decide_record(self.known(), entries, at)
        self.timeline, self.compacted_until = decided.timeline, decided.compacted_until
        self.published = decided.publication.published
        new = decided.publication.new_transitions
        self.published_statuses += [item.status for item in new]
        self.losses += [item.cause for item in new if item.previous is Status.DOWNLOADABLE]
        return decided

    def roll_out(self, rollout: Rollout, at: datetime) -> DecidedRecord:
        """Change who decides in the course run, and decide the record again."""
        entry = Entry(at, f"{rollout}-{at}", Fact.COURSE_RUN, "rollout", rollout, "ada")
        self.configuration = (*self.configuration, entry)
        return self.receive([], at)

    def known(self) -> Known:
        """Return what a decision rests on."""
        return Known(
            7,
            RUN,
            self.timeline,
            self.compacted_until,
            VERIFIED,
            self.configuration,
            BEGINNING,
            self.published,
            (0, 0),
            Rollout.LIVE,
            POLICIES,
        )

"""The company of refused rows: what the same export states of the same learner and course run.

A refused row may forbid what the others give: an invalidation, another mode, the beta tester role. So its company waits
until the row is mended. Only an active invalidation is imported all the same, for it gives nothing.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any, NamedTuple

from certrules.core.fact_types import Fact
from certrules.formats.table_rows import Observation, TableRow
from certs.imports.rows import Fields, RejectedError, Table

CERTIFICATES = "certificates_generatedcertificate"
INVALIDATIONS = {"certificates_certificateinvalidation", "certificates_historicalcertificateinvalidation"}
OVERVIEWS = "course_overviews_courseoverview"

_CERTIFICATE_ID = "generated_certificate_id"
_EXAMPLES = 20
"""How many refused rows are named to each learner in a course run."""


class Subject(NamedTuple):
    """Whom a row is about, as far as it can be read.

    Without a course run it is the learner in all course runs; without a learner, all learners in the course run.
    """

    learner_id: int | None
    course_run: str | None

    @property
    def is_known(self) -> bool:
        """Whether the learner and the course run can both be read."""
        return self.learner_id is not None and self.course_run is not None


UNKNOWN = Subject(None, None)


class RefusedRow(NamedTuple):
    """Where a refused row is."""

    table: str
    line: int


class Company:
    """The learners and course runs that refused rows are about, and how many facts wait for these rows."""

    def __init__(self) -> None:
        """Begin without refused rows."""
        self.unknown: list[RefusedRow] = []  # refused rows that may forbid a certificate, nobody knows whose
        self._refused: dict[Subject, list[RefusedRow]] = {}
        self._of_certificates: dict[int, list[RefusedRow]] = {}  # refused invalidations, by the certificate's id
        self._invalidated_in_part: set[Subject] = set()  # where an invalidation's row was refused
        self._waiting: Counter[Subject] = Counter()  # how many facts
        self.facts: Counter[str] = Counter()  # that wait, by fact

    def refuse(self, table: Table, line: int, values: Mapping[str, Any], now: datetime) -> None:
        """Note a refused row. `now` (UTC) is the clock for times in the future."""
        row = RefusedRow(table.name, line)
        if _CERTIFICATE_ID in table.columns:
            if table.name in INVALIDATIONS:  # a date override forbids nothing
                self.refuse_invalidation(row, certificate_of(table, values, now))
            return
        subject = subject_of(table, values, now)
        if table.name == CERTIFICATES and not subject.is_known:
            self.unknown.append(row)
        if subject.learner_id is not None or table.name == OVERVIEWS:
            self._note(subject, row)

    def refuse_invalidation(self, row: RefusedRow, certificate: int | None) -> None:
        """Note a refused invalidation of the certificate that has this id; None: nobody knows which."""
        if certificate is None:
            self.unknown.append(row)
        else:
            self._of_certificates.setdefault(certificate, []).append(row)

    def _note(self, subject: Subject, row: RefusedRow) -> None:
        if subject == UNKNOWN:
            return
        rows = self._refused.setdefault(_key(subject), [])
        if len(rows) < _EXAMPLES:
            rows.append(row)

    def found(self, certificate: int, subject: Subject) -> None:
        """Note whose a certificate is: its refused invalidations are about them."""
        for row in self._of_certificates.pop(certificate, ()):
            self._note(subject, row)
            self._invalidated_in_part.add(subject)

    def end(self) -> None:
        """Note that all rows were read: nobody knows whose the other refused invalidations are."""
        for rows in self._of_certificates.values():
            self.unknown += rows
        self._of_certificates.clear()

    def admitted(self, rows: Iterable[TableRow]) -> Iterator[TableRow]:
        """Yield what can be imported of the joined rows, and count what waits."""
        with_refused = {subject.learner_id for subject in self._refused}
        for row in rows:
            subject = Subject(row.learner_id, row.course_run)
            if row.course_run is None:
                waits = row.learner_id in with_refused
            else:
                waits = any(named in self._refused for named in _named(subject))
            admitted = self._admitted(subject, row.observations) if waits else row.observations
            waiting = [item for item in row.observations if waits and item not in admitted]
            if waiting:
                self._waiting[subject] += len(waiting)
                self.facts.update(item.fact for item in waiting)
            if admitted or not waits or row.learner_id is None or row.name is not None:
                yield row._replace(observations=admitted)

    def _admitted(self, subject: Subject, observations: tuple[Observation, ...]) -> tuple[Observation, ...]:
        """Return the invalidations, if all were read and one is active; otherwise nothing."""
        found = tuple(item for item in observations if item.fact is Fact.INVALIDATION)
        is_active = bool(found) and max(found, key=lambda item: item.observed_at).value
        return found if is_active and subject not in self._invalidated_in_part else ()

    def waits_for(self) -> list[dict[str, Any]]:
        """Return how many facts wait, by learner and course run, and for which refused rows, as JSON."""
        return [
            {**subject._asdict(), "facts": facts, "refused": [row._asdict() for row in self._rows_of(subject)]}
            for subject, facts in sorted(self._waiting.items(), key=lambda item: (item[0][0] or 0, item[0][1] or ""))
            if facts
        ]

    def _rows_of(self, subject: Subject) -> list[RefusedRow]:
        """Return the refused rows that a learner, a course run, or a learner in one waits for."""
        if subject.course_run is not None:
            return [row for named in _named(subject) for row in self._refused.get(named, ())]
        return [row for named, rows in self._refused.items() if named.learner_id == subject.learner_id for row in rows]


def _key(subject: Subject) -> Subject:
    """Return a subject as refused rows are found by it: the platform compares course runs without case."""
    return subject._replace(course_run=subject.course_run.casefold()) if subject.course_run else subject


def _named(subject: Subject) -> set[Subject]:
    """Return the subjects that a learner in a course run belongs to."""
    key = _key(subject)
    return {key, key._replace(course_run=None), key._replace(learner_id=None)} - {UNKNOWN}


# --- whom a row is about


def subject_of(table: Table, values: Mapping[str, Any], now: datetime) -> Subject:
    """Return whom a row is about, as far as it can be read, whatever else is wrong with it."""
    fields = Fields(values, now)
    course_run = "id" if table.name == OVERVIEWS else "course_id"
    return Subject(
        _readable(fields.number, "user_id") if "user_id" in table.columns else None,
        _readable(fields.course_run, course_run) if course_run in table.columns else None,
    )


def certificate_of(table: Table, values: Mapping[str, Any], now: datetime) -> int | None:
    """Return the id of the certificate that a row is or is about; None if there is none, or it can't be read."""
    column = "id" if table.name == CERTIFICATES else _CERTIFICATE_ID
    return _readable(Fields(values, now).number, column)


def _readable[T](read: Callable[[str], T], column: str) -> T | None:
    try:
        return read(column)
    except RejectedError:
        return None

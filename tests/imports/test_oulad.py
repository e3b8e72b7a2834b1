"""Real learners, twice: as events, and as the rows that the platform's tables would have of them."""

import json
from collections import Counter, defaultdict
from datetime import UTC, datetime
from pathlib import Path

from certrules.core.certificate import Outcome
from certrules.core.facts import Record
from certrules.core.instants import BEGINNING
from certrules.core.policy import PRESETS, Policies
from certrules.core.replay import replay
from certrules.core.timeline import Entry, merge
from certrules.formats.events_in import decode
from certrules.formats.table_rows import TableRow, entries_from
from certs.sources import oulad
from tests.scenes import oulad_tables
from tests.scenes.platform_tables import read

AS_OF = datetime(2016, 1, 1, tzinfo=UTC)
NOW = datetime(2026, 1, 1, tzinfo=UTC)
POLICIES: Policies = ((BEGINNING, PRESETS[oulad.POLICY]),)

type Outcomes = dict[tuple[int, str], Outcome]


def of_events(folder: Path) -> Outcomes:
    """Return what the events amount to."""
    learners: defaultdict[tuple[int, str], list[Entry]] = defaultdict(list)
    course_runs: defaultdict[str, list[Entry]] = defaultdict(list)
    for detail in oulad.oulad(folder):
        message = decode(json.dumps(detail), NOW)
        assert message is not None
        assert message.course_run is not None
        if message.learner_id is None:
            course_runs[message.course_run] += message.entries
        else:
            learners[message.learner_id, message.course_run] += message.entries
    return {
        who: replay(Record(*who, merge((), (*course_runs[who[1]], *entries))), POLICIES, AS_OF)
        for who, entries in learners.items()
    }


def of_tables(rows: list[TableRow]) -> Outcomes:
    """Return what the rows amount to."""
    course_runs = {row.course_run: row.observations for row in rows if row.learner_id is None}
    outcomes = {}
    for learner_id, course_run, stated, *_ in rows:
        if learner_id is not None and course_run is not None:
            timeline = merge((), entries_from((), (*course_runs[course_run], *stated)))
            outcomes[learner_id, course_run] = replay(Record(learner_id, course_run, timeline), POLICIES, AS_OF)
    return outcomes


def test_rows_and_events_of_32593_enrollments_amount_to_the_same_certificates(
    shared_data: Path, tmp_path: Path
) -> None:
    folder, export = shared_data / "oulad", tmp_path / "export"
    export.mkdir()
    oulad_tables.write(folder, export)
    tables = read(sorted(export.iterdir()), tmp_path / "parts")
    by_events, by_tables = of_events(folder), of_tables(tables.rows())
    assert tables.rejects == []
    assert by_events.keys() == by_tables.keys()
    assert len(by_tables) == 32_593
    reasons: Counter[tuple[tuple[str, ...], tuple[str, ...]]] = Counter()
    for who, by_event in by_events.items():
        arrived = by_event
        outcome = by_tables[who]
        assert outcome.status == arrived.status
        if arrived.certificate is not None and not arrived.certificate.grade:  # no mark by then: a row has a percent
            assert outcome.certificate is not None
            assert outcome.certificate.grade == str(outcome.decision.facts.percent)
            arrived = arrived._replace(certificate=arrived.certificate._replace(grade=outcome.certificate.grade))
        assert outcome.certificate == arrived.certificate
        reasons[arrived.reasons, outcome.reasons] += 1
    assert reasons == {
        ((), ()): 15_385,
        (("not_passed",), ("not_passed",)): 7_052,
        (("no_grade",), ("no_grade",)): 5_733,
        (("no_grade",), ("not_passed",)): 4_423,  # withdrawn after a mark: the platform's row states more
    }

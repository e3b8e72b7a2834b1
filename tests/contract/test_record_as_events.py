"""A record that is sent again as events becomes the same record."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given

from certrules.core.fact_types import Fact
from certrules.core.facts import Record
from certrules.core.policy import DEFAULT, undated
from certrules.core.replay import replay
from certrules.core.timeline import Entry, compact, merge
from certrules.formats.event_types import EVENT_TYPES
from certrules.formats.events_in import decode
from certrules.formats.record_as_events import events_from
from tests.scenes.histories import END, records
from tests.scenes.story_of_samples import CCX, COURSE_RUN, EVENTS, LEARNER, REPORTED_BY

NOW = datetime(2026, 11, 1, tzinfo=UTC)


def received_again(record: Record) -> tuple[Entry, ...]:
    messages = [decode(json.dumps(detail), NOW) for detail in events_from(record)]
    return merge((), [entry for message in messages if message is not None for entry in message.entries])


@pytest.mark.parametrize("sample", sorted(EVENTS.glob("*.json")), ids=lambda sample: sample.stem)
def test_a_sample_is_written_as_it_was_read(sample: Path) -> None:
    message = decode(sample.read_bytes(), REPORTED_BY)
    assert message is not None
    course_run = message.course_run or COURSE_RUN
    assert course_run in {COURSE_RUN, CCX}
    assert received_again(Record(LEARNER, course_run, merge((), message.entries))) == merge((), message.entries)


@given(records())
def test_a_record_that_is_sent_again_as_events_is_the_same(record: Record) -> None:
    policies = undated(DEFAULT)
    again = Record(record.learner_id, record.course_run, received_again(record))
    reported, arrived = replay(record, policies, END), replay(again, policies, END)
    assert [(item.at, item.status, item.cause) for item in arrived.transitions] == [
        (item.at, item.status, item.cause) for item in reported.transitions
    ]
    assert (arrived.certificate, arrived.decision, arrived.next_change_at) == (
        reported.certificate,
        reported.decision,
        reported.next_change_at,
    )


@given(records(min_size=60, max_size=90))
def test_so_does_one_that_was_compacted(record: Record) -> None:
    stored_record = Record(record.learner_id, record.course_run, compact(record.timeline, 20)[0])
    again = Record(record.learner_id, record.course_run, received_again(stored_record))
    policies = undated(DEFAULT)
    assert replay(again, policies, END).certificate == replay(record, policies, END).certificate


def test_every_fact_that_decides_is_exported() -> None:
    exported = {row.export.fact for row in EVENT_TYPES.values() if row.export}
    assert exported == set(Fact) - {Fact.IGNORED_FIELD, Fact.OLDER_GRADES}

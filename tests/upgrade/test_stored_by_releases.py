"""What an earlier release stored is read by this one, decided the same, and stored again in this one's form."""

import json
from collections.abc import Iterator
from itertools import batched
from typing import Any

import pytest

from certrules import storage
from certrules.core.fact_types import Fact
from certrules.core.terms import Cause, Status
from certrules.core.timeline import SETTLED_CAPACITY, Entry, Timeline
from certrules.formats.events_out import events_of
from certrules.formats.stored import decode_timeline, encode_timeline
from certrules.storage.records import StoredRecord
from certrules.storage.tables import Pair
from certs.sources import event_builders
from tests.scenes import stored_release
from tests.scenes.scene import OWN_EVENTS, Learner, Scene, as_time
from tests.scenes.support_client import Client

TABLES = stored_release.TABLES
COURSE_RUN = stored_release.COURSE_RUN

CORRECTED = Pair(9011, COURSE_RUN)
"""A certificate of the old logic whose first grade fails: earlier releases took that for a fall (decision 0015)."""

type Tables = dict[str, list[dict[str, Any]]]


@pytest.fixture(params=stored_release.releases())
def tables(request: pytest.FixtureRequest) -> Tables:
    """The items of a release's tables."""
    found: Tables = {table: [] for table in TABLES}
    for table, item in stored_release.tables_of(request.param):
        found[table].append(item)
    return found


@pytest.fixture
def stored(tables: Tables, scene: Scene) -> Iterator[Tables]:
    """The tables of a release, as this one finds them; their stream brings all history once more."""
    for table, items in tables.items():
        for some in batched(items, 25, strict=False):
            requests = [{"PutRequest": {"Item": item}} for item in some]
            scene.client("dynamodb").batch_write_item(RequestItems={scene.cloud.physical(table): requests})
    scene.cloud.deliver(delayed=True)
    scene.empty_queues()
    yield tables
    scene.empty_tables(*TABLES)


def pairs_in(tables: Tables) -> list[Pair]:
    """Return whose records there are."""
    keys = ((item["p"]["S"], item["s"]["S"]) for item in tables["CertificatesTable"])
    return [Pair(int(p[2:]), s) for p, s in keys if p.startswith("L#") and ":" in s]


def records(tables: Tables) -> dict[Pair, StoredRecord]:
    """Return what is stored of every learner in every course run."""
    found: dict[Pair, StoredRecord] = {}
    for pair in pairs_in(tables):
        found |= storage.load([pair], consistent=True).records
    return found


def state(tables: Tables) -> dict[Pair, Any]:
    """Return what matters of every record."""
    return {pair: (record.timeline, record.published) for pair, record in records(tables).items()}


def others(of: dict[Pair, Any]) -> dict[Pair, Any]:
    """Return all records but the one that is decided otherwise now."""
    return {pair: record for pair, record in of.items() if pair != CORRECTED}


def is_corrected(item: dict[str, Any]) -> bool:
    """Return whether a history item is of the record that is decided otherwise now."""
    return str(item["p"]["S"]) == f"L#{CORRECTED.learner_id}"


def whole(timeline: Timeline) -> set[Entry]:
    """Return the entries that stay however often a record is written: all but grades, of few entries."""
    return {entry for entry in timeline if entry.fact is not Fact.GRADE} if len(timeline) < SETTLED_CAPACITY else set()


def see_through(scene: Scene) -> None:
    """Deliver everything, and what comes of it."""
    while scene.queued("IngestQueue") or scene.queued("RedecideQueue"):
        assert scene.cloud.deliver(delayed=True).errors == []
    assert scene.cloud.deliver(delayed=True).errors == []


def test_a_fixture_has_a_record_of_each_kind(stored: Tables) -> None:
    found = records(stored).values()
    statuses = {record.published.certificate.status for record in found if record.published.certificate}
    assert statuses >= {Status.DOWNLOADABLE, Status.NOTPASSING, Status.UNAVAILABLE, Status.UNVERIFIED}
    pending = [record.published.pending for record in found if record.published.pending]
    assert {held.due is None for held in pending} == {True, False}
    assert any(record.next_change_at for record in found)
    assert any(item.get("k") for item in stored["CertificatesTable"] if ":" in item["s"]["S"])  # compacted
    kinds = {json.loads(item["b"]["S"])["kind"] for item in stored["HistoryTable"]}
    assert kinds == {"transition", "held", "tripped"}


def test_every_timeline_is_read_and_stored_again(tables: Tables) -> None:
    for item in tables["CertificatesTable"]:
        if item["s"]["S"] not in storage.WITHOUT_TIMELINE:
            timeline = storage.timeline_of(storage.Item.from_raw_data(item))
            assert timeline
            assert decode_timeline(encode_timeline(timeline)) == timeline


def test_deciding_again_changes_nothing(scene: Scene, stored: Tables) -> None:
    before, now = state(stored), stored_release.AS_OF
    history = [item for item in scene.items("HistoryTable") if not is_corrected(item)]

    for pair in before:
        assert scene.ingest(Learner(*pair).requested(now)) == {"batchItemFailures": []}

    assert scene.take("ParkedQueue") == []
    assert others(state(stored)) == others(before)
    assert [item for item in scene.items("HistoryTable") if not is_corrected(item)] == history


def test_what_was_revoked_by_a_first_failing_grade_is_given_back_and_held(scene: Scene, stored: Tables) -> None:
    before = records(stored)[CORRECTED].published.certificate

    scene.ingest(Learner(*CORRECTED).requested(stored_release.AS_OF))

    certificate, _, pending, *_ = records(stored)[CORRECTED].published
    assert certificate
    assert before
    assert (certificate.status, pending and pending.cause) == (Status.DOWNLOADABLE, Cause.NEVER_PASSED)
    assert certificate[3:] == before[3:]  # id and dates


@pytest.mark.usefixtures("stored")
def test_reconciliation_finds_nothing_but_what_was_corrected(scene: Scene) -> None:
    scene.client("stepfunctions").start_execution(
        stateMachineArn=scene.cloud.physical("ReconcileMachine"),
        input=json.dumps({"time": as_time(stored_release.AS_OF), "segments": 1}),
    )
    scene.cloud.deliver(delayed=True)

    execution = [run for run in scene.cloud.executions() if run.machine == "ReconcileMachine"][-1]

    assert execution.status == "SUCCEEDED", execution.cause
    outcome: dict[str, Any] = execution.output
    found = {code: count for code, count in (outcome["healed"] | outcome["reported"]).items() if count}
    assert found == {"otherwise": 1}


def test_history_that_comes_again_is_published_under_the_same_ids(tables: Tables) -> None:
    item: dict[str, Any]
    for item in tables["HistoryTable"]:
        history_id, body = f"{item['p']['S']}#{item['s']['S']}", item["b"]["S"]
        ids = [json.loads(event.detail)["metadata"]["id"] for event in events_of(history_id, body, "", "")]
        receipts = [row for row in tables["SupportTable"] if (row["p"], row["s"]) == (item["p"], item["s"])]
        assert len(ids) == len(set(ids)) == len(json.loads(receipts[0]["b"]["S"])["events"])


def test_every_record_goes_on_and_is_stored_in_this_form(scene: Scene, stored: Tables) -> None:
    before, now = records(stored), stored_release.AS_OF
    events = {
        pair: event_builders.date_override(
            "date_override.set", stored_release.event_id(pair), now, *pair, date=now, by="ada", notes="ticket 13"
        )
        for pair in before
    }

    for event in events.values():
        assert scene.ingest(event_builders.envelope(event)) == {"batchItemFailures": []}

    after = records(stored)
    for pair, record in after.items():
        assert whole(before[pair].timeline) <= whole(record.timeline)
        assert len(record.timeline) <= len(before[pair].timeline) + 2  # the override, and what stands for older grades
        assert events[pair]["metadata"]["id"] in {entry.event_id for entry in record.timeline}
        if pair != CORRECTED:
            assert record.published.certificate == before[pair].published.certificate
            assert record.published.transitions == before[pair].published.transitions
        assert record.version == before[pair].version + 1
    grades = [
        sum(entry.fact is Fact.GRADE for record in of.values() for entry in record.timeline) for of in (before, after)
    ]
    assert grades[1] < grades[0] / 2


def test_what_was_pending_takes_effect_when_it_is_due(scene: Scene, stored: Tables) -> None:
    pending = {pair: record for pair, record in records(stored).items() if record.next_change_at}
    revoked = {pair for pair, record in pending.items() if record.published.pending}
    assert revoked

    due = max(record.next_change_at for record in pending.values() if record.next_change_at)
    scene.sweep(due)
    see_through(scene)

    after = {pair: records(stored)[pair].published.certificate for pair in revoked}
    assert [certificate and certificate.status for certificate in after.values()] == [Status.NOTPASSING] * len(revoked)
    reported = [event["detail-type"] for event in scene.take(OWN_EVENTS)]
    assert reported.count("org.openedx.learning.certificate.revoked.v1") == len(revoked)


def test_an_act_counts_once_across_releases(scene: Scene, stored: Tables) -> None:
    before = state(stored)

    answer = Client(scene).post("/v1/case/act", stored_release.ACT_KEY, **stored_release.ACT)
    scene.cloud.deliver()

    assert answer.status == 202
    assert others(state(stored)) == others(before)


def test_a_bulk_revocation_that_waits_is_approved(scene: Scene, stored: Tables) -> None:
    (waiting,) = Client(scene).get("/v1/revocations").body["revocations"]

    answer = Client(scene, name="bob").post(f"/v1/revocations/{waiting['id']}/approve")
    scene.cloud.deliver()

    assert answer.status == 200
    pair = Pair(stored_release.REVOCATION["learners"][0], COURSE_RUN)
    certificate = records(stored)[pair].published.certificate
    assert certificate
    assert certificate.status is Status.UNAVAILABLE


def test_every_case_is_explained(scene: Scene, stored: Tables) -> None:
    client = Client(scene)
    for pair in pairs_in(stored):
        answer = client.case(Learner(*pair))
        assert answer["learner_id"] == pair.learner_id


def test_requests_that_waited_in_queues_are_read(scene: Scene, stored: Tables) -> None:
    body = {"course_run": COURSE_RUN, "at": as_time(stored_release.AS_OF)}
    page = {**body, "shard": storage.shard_of(9008), "after": None}  # as releases before the state machine sent them
    before = state(stored)

    assert scene.redecide(page, body) == {"batchItemFailures": []}

    see_through(scene)
    runs = [found for found in scene.cloud.executions() if found.machine == "RedecideMachine"]
    assert runs[-1].input["course_run"] == COURSE_RUN
    assert runs[-1].status == "SUCCEEDED"
    assert others(state(stored)) == others(before)

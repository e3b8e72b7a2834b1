"""After a disaster: the archive, replayed into nothing or into a backup, gives the same certificates, ids and all.

Replayed step by step it gives the same history too, under the ids under which it was published. Replayed at once, what
came late the first time is there in time: only what it would have taken away from learners makes a difference.
"""

import json
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.events.models import events_backends

from certrules import storage
from certrules.core.instants import BEGINNING
from certs import archive as archiving
from certs import run as job
from certs.sources.event_builders import Detail
from certs.sources.program_builder import program, program_revocation
from tests.scenes.scene import OWN_EVENTS, Learner, Scene, day

TABLES = ("CertificatesTable", "HistoryTable", "SupportTable")
BEFORE, AFTER = day(1) - timedelta(days=3650), day(1) + timedelta(days=3650)

_numbers = count(1)

type Sent = tuple[datetime, list[Detail]]
"""Events, and when they are put on the bus."""


@pytest.fixture(autouse=True)
def _new(scene: Scene) -> None:
    forget(scene)


def forget(scene: Scene) -> None:
    """Forget all that was published or stored."""
    scene.empty_tables(*TABLES)
    scene.cloud.deliver(delayed=True)
    scene.empty_queues()
    archive().clear()


def archive() -> list[Any]:
    """Return the events in the archive."""
    (found,) = events_backends[DEFAULT_ACCOUNT_ID]["eu-west-1"].archives.values()
    return found.events


def live(scene: Scene, sent: Iterable[Sent]) -> None:
    """Have all this happen in time: what is due before an event comes is swept before."""
    for at, details in sent:
        see_through(scene, at)
        scene.send(*details, at=at)
        see_through(scene, at)


def see_through(scene: Scene, at: datetime) -> None:
    """Deliver everything, and sweep until nothing is due by this instant."""
    deliver(scene)
    while scene.sweep(at, again=True)["due"]:
        deliver(scene)


def deliver(scene: Scene) -> None:
    """Deliver everything, and what comes of it."""
    assert scene.cloud.deliver().errors == []
    while scene.queued("IngestQueue") or scene.queued("RedecideQueue"):
        assert scene.cloud.deliver(delayed=True).errors == []


def replay(scene: Scene, since: datetime = BEFORE, until: datetime = AFTER) -> None:
    """Replay a part of the archive at once, as the runbook describes."""
    outputs = scene.cloud.outputs
    scene.client("events").start_replay(
        ReplayName=f"disaster-{next(_numbers)}",
        EventSourceArn=outputs["ArchiveArn"],
        EventStartTime=since,
        EventEndTime=until,
        Destination={"Arn": outputs["BusArn"], "FilterArns": archiving.reading_rules(outputs)},
    )
    deliver(scene)


def replay_in_steps(scene: Scene, instants: Iterable[datetime]) -> None:
    """Replay the archive step by step, as `certs archive replay` does."""
    for at in instants:
        see_through(scene, at)
        steps = archiving.replay_in_steps(
            scene.client,
            scene.cloud.outputs,
            at,
            at + timedelta(minutes=1),
            timedelta(hours=1),
            partial(deliver, scene),
        )
        assert list(steps) == [at + timedelta(minutes=1)]
        deliver(scene)


def state(scene: Scene) -> dict[storage.Pair, Any]:
    """Return what is stored of everybody: what was received, and the certificate with its transitions.

    When it was published is not the facts' to give: a replay publishes again.
    """
    items = [item for item in scene.items("CertificatesTable") if item["p"]["S"].startswith("L#")]
    pairs = [storage.Pair(int(item["p"]["S"][2:]), item["s"]["S"]) for item in items if ":" in item["s"]["S"]]
    return {
        pair: (stored_record.timeline, stored_record.published._replace(published_at=BEGINNING))
        for pair, stored_record in storage.load(pairs).records.items()
    }


def history(scene: Scene) -> list[tuple[str, str, str]]:
    """Return all history."""
    return sorted(tuple(item[name]["S"] for name in ("p", "s", "b")) for item in scene.items("HistoryTable"))


def last_reported(scene: Scene) -> dict[storage.Pair, str]:
    """Return the status that consumers received last."""
    reported = {}
    for event in scene.take(OWN_EVENTS):
        if "certificate" in event["detail"]:
            stated = event["detail"]["certificate"]
            reported[storage.Pair(stated["user"]["id"], stated["course"]["course_key"])] = stated["current_status"]
    return reported


def statuses(found: dict[storage.Pair, Any]) -> dict[storage.Pair, str]:
    """Return the certificates' statuses."""
    return {pair: str(published.certificate.status) for pair, (_, published) in found.items() if published.certificate}


def arrived(scene: Scene) -> dict[str, Any]:
    """Return what consumers received, by the events' ids: under one id always the same."""
    found: dict[str, Any] = {}
    for event in scene.take(OWN_EVENTS):
        assert found.setdefault(event["detail"]["metadata"]["id"], event["detail"]) == event["detail"]
    return found


def story(learner: Learner) -> list[Sent]:
    """Report all that may make a difference: late, doubled, of a learner anywhere, of a course run, by people."""
    configured, enrolled, approved, passing = learner.qualifying()
    late = Learner(learner.learner_id + 1, learner.course_run)
    other = learner.elsewhere(learner.course_run + "B")
    act = learner.invalidated(day(20))
    act["metadata"]["source"] = "course-certificates/support"
    return [
        (day(1), [configured, enrolled, late.enrolled(day(1)), other.enrolled(day(1))]),
        (day(3), [passing, late.passing(day(2)), late.id_approved(day(2))]),
        (day(4), [approved]),
        (day(5), [learner.failing(day(5)), late.failing(day(5))]),
        (day(5, 0.5), [late.passing(day(5, 0.5))]),
        (day(8), [learner.passing(day(8)), passing]),
        (day(9), [other.configured(day(9)), other.passing(day(9))]),
        (day(12), [late.graded(day(4), 0.4), learner.graded(day(8), 0.9, "A")]),
        (day(20), [act]),
        (day(21), [learner.configured(day(21), policy={"hold_seconds": 0})]),
        (day(22), [late.failing(day(22)), other.requested(day(22))]),
        (day(23), [late.enrolled(day(1, 1), mode="audit")]),  # so it was never earned; what was given is held
    ]


def test_the_archive_replayed_into_nothing_gives_the_same_certificates(scene: Scene, learner: Learner) -> None:
    live(scene, story(learner)[:-1])
    see_through(scene, day(40))
    before = state(scene)
    assert len(before) == len(last_reported(scene)) == 3

    scene.empty_tables(*TABLES)
    scene.empty_queues()
    replay(scene)
    see_through(scene, day(40))

    assert state(scene) == before
    assert last_reported(scene) == statuses(before)


def test_replayed_as_slowly_as_it_came_it_gives_all_the_same_history_too(scene: Scene, learner: Learner) -> None:
    sent = story(learner)
    live(scene, sent)
    see_through(scene, day(40))
    before, stored_record, reported = state(scene), history(scene), arrived(scene)
    assert len(reported) > 10

    scene.empty_tables(*TABLES)
    scene.empty_queues()
    replay_in_steps(scene, [at for at, _ in sent])
    see_through(scene, day(40))

    assert (state(scene), history(scene)) == (before, stored_record)
    assert arrived(scene) == reported


def test_steps_of_a_day_do_as_well_if_nothing_overtakes_within_them(scene: Scene, learner: Learner) -> None:
    live(scene, story(learner))
    see_through(scene, day(40))
    before = state(scene)

    scene.empty_tables(*TABLES)
    scene.empty_queues()
    steps = archiving.replay_in_steps(
        scene.client, scene.cloud.outputs, day(1), day(40), timedelta(days=1), partial(deliver, scene)
    )
    assert list(steps) == [day(number) for number in range(2, 41)]

    assert state(scene) == before


@pytest.mark.parametrize("events", [1, 4, 7, 10])
def test_a_backup_with_the_archive_replayed_from_then_on_gives_the_same(
    scene: Scene, learner: Learner, events: int
) -> None:
    sent = story(learner)
    live(scene, sent[:events])
    backup = {table: scene.items(table) for table in TABLES}
    live(scene, sent[events:])
    see_through(scene, day(40))
    before, stored_record, reported = state(scene), history(scene), arrived(scene)

    restore(scene, backup)
    replay_in_steps(scene, [at for at, _ in sent[events:]])
    see_through(scene, day(40))
    assert (state(scene), history(scene)) == (before, stored_record)
    assert arrived(scene).items() <= reported.items()


def restore(scene: Scene, backup: dict[str, list[dict[str, Any]]]) -> None:
    """Have the tables be what they were."""
    scene.empty_tables(*TABLES)
    for table, items in backup.items():
        for item in items:
            scene.client("dynamodb").put_item(TableName=scene.cloud.physical(table), Item=item)
    scene.cloud.deliver()  # here, unlike in the cloud, a restored table's stream has its items
    scene.empty_queues()


@pytest.mark.parametrize("table", ["CertificatesTable", "SupportTable"])
def test_tables_restored_to_different_times_give_the_same_if_history_is_not_the_oldest(
    scene: Scene, learner: Learner, table: str
) -> None:
    sent = story(learner)
    live(scene, sent[:5])
    older = scene.items(table)
    live(scene, sent[5:8])
    backup = {name: scene.items(name) for name in TABLES} | {table: older}
    live(scene, sent[8:])
    see_through(scene, day(40))
    before, stored_record, reported = state(scene), history(scene), arrived(scene)

    restore(scene, backup)
    replay_in_steps(scene, [at for at, _ in sent[5:]])
    see_through(scene, day(40))

    assert (state(scene), history(scene)) == (before, stored_record)
    assert arrived(scene).items() <= reported.items()


def test_the_archive_has_what_people_did_and_no_names_and_nothing_of_its_own(scene: Scene, learner: Learner) -> None:
    from certs.sources.event_builders import learner as about

    (act,) = [details[0] for at, details in story(learner) if at == day(20)]
    named = about("learner.named", uuid4(), day(2), learner.learner_id, username="u", name="n")
    live(scene, [(day(3), learner.qualifying()), (day(20), [named, act])])

    sources = {event["source"] for event in archive()}
    types = {event["detail-type"] for event in archive()}

    assert "course-certificates" not in sources
    assert "course-certificates/support" in sources
    assert "certificates.learner.named.v1" not in types
    assert "certificates.invalidation.created.v1" in types


def test_a_file_of_the_archive_gives_the_same_certificates(scene: Scene, learner: Learner, tmp_path: Path) -> None:
    live(scene, story(learner)[:-1])
    see_through(scene, day(40))
    before = state(scene)
    file = tmp_path / "archive.jsonl"
    times = (datetime.fromtimestamp(float(event["time"]), UTC).isoformat() for event in archive())
    lines = (json.dumps(event | {"time": at}) for event, at in zip(archive(), times, strict=True))
    file.write_text("\n".join(lines))

    scene.empty_tables(*TABLES)
    scene.empty_queues()
    run = job.drive(scene.cloud, list(job.events_of_files([str(file)])), lambda _: None)
    see_through(scene, day(40))

    assert (run.as_of, run.parked.total(), run.dead) == (day(22), 0, 0)
    assert state(scene) == before


# --- other rules on the bus


class ReadingRule:
    """A rule with a queue of its own on the bus, made for a test."""

    def __init__(self, scene: Scene, name: str) -> None:
        self._sqs, self._events, self._bus = scene.client("sqs"), scene.client("events"), scene.cloud.physical("Bus")
        self.name = name
        self.queue = self._sqs.create_queue(QueueName=name)["QueueUrl"]
        attributes = self._sqs.get_queue_attributes(QueueUrl=self.queue, AttributeNames=["QueueArn"])["Attributes"]
        pattern = json.dumps({"detail-type": [{"prefix": "certificates.program."}]})
        self.arn = self._events.put_rule(Name=name, EventBusName=self._bus, EventPattern=pattern)["RuleArn"]
        target = {"Id": "queue", "Arn": attributes["QueueArn"]}
        self._events.put_targets(Rule=name, EventBusName=self._bus, Targets=[target])

    def take(self) -> list[str]:
        """Take the types of the events that wait in the queue."""
        found = []
        while messages := self._sqs.receive_message(QueueUrl=self.queue, MaxNumberOfMessages=10).get("Messages"):
            for message in messages:
                found.append(json.loads(message["Body"])["detail-type"])
                self._sqs.delete_message(QueueUrl=self.queue, ReceiptHandle=message["ReceiptHandle"])
        return found

    def remove(self) -> None:
        self._events.remove_targets(Rule=self.name, EventBusName=self._bus, Ids=["queue"])
        self._events.delete_rule(Name=self.name, EventBusName=self._bus)
        self._sqs.delete_queue(QueueUrl=self.queue)


@pytest.fixture
def rules(scene: Scene) -> Iterator[tuple[ReadingRule, ReadingRule]]:
    made = ReadingRule(scene, "records-facts"), ReadingRule(scene, "consumer")
    yield made
    for rule in made:
        rule.remove()


def on_programs(learner: Learner) -> list[Detail]:
    uuid = str(uuid4())
    about = uuid4(), day(3), learner.learner_id, uuid
    return [
        program("program.configured", uuid4(), day(2), uuid, {"CertX": [learner.course_run]}, title="Data"),
        program_revocation("program.revocation.discarded", *about, cause="course_lost", by="ada", notes="Agreed."),
    ]


def test_the_archive_is_replayed_to_every_rule_of_the_stack_that_reads_facts_and_to_no_other(
    scene: Scene, learner: Learner, rules: tuple[ReadingRule, ReadingRule]
) -> None:
    records, consumer = rules
    events = on_programs(learner)
    sent = [event["metadata"]["event_type"] for event in events]
    live(scene, [(day(3), learner.qualifying()), (day(4), events)])
    assert (records.take(), consumer.take()) == (sent, sent)
    before = state(scene)

    scene.empty_tables(*TABLES)
    scene.empty_queues()
    outputs = scene.cloud.outputs | {"RecordsFactsRuleArn": records.arn, "RecordsQueueUrl": records.queue}
    read: list[str] = []

    def pause() -> None:
        if scene.queued("IngestQueue"):
            deliver(scene)
        else:
            read.extend(records.take())

    steps = archiving.replay_in_steps(scene.client, outputs, day(1), day(5), timedelta(days=4), pause)
    assert list(steps) == [day(5)]  # which waits until the other queue is read, too

    assert (sorted(read), consumer.take()) == (sorted(sent), [])
    assert state(scene) == before


def test_without_the_ingest_rule_nothing_is_replayed(scene: Scene) -> None:
    outputs = {name: value for name, value in scene.cloud.outputs.items() if name != "IngestRuleArn"}
    steps = archiving.replay_in_steps(scene.client, outputs, day(1), day(2), timedelta(days=1), lambda: None)
    with pytest.raises(KeyError, match="IngestRuleArn"):
        next(steps)

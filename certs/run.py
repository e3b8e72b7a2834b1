"""`certs run`: the main job, on the local cloud: events go in by the bus, certificates come out.

The cloud's clock is the events' own: each is put on the bus as of the latest time of an event until then, so that
holds run out as they did then.
"""

import json
import re
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import batched
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from certrules import storage
from certrules.core.explain.explanation import explain
from certrules.core.explain.rendering import as_text
from certrules.core.facts import Record
from certrules.core.guard import PublishedCertificate
from certrules.core.instants import BEGINNING
from certrules.core.policy import Policies
from certrules.core.replay import replay
from certrules.core.terms import Status
from certrules.core.timeline import Timeline
from certrules.formats.events_in import MAX_BYTES, decode
from certrules.formats.messages import OWN_SOURCE
from certrules.formats.refusals import Reason, RefusedError
from certrules.formats.stored import as_time, decode_published
from certs.replay import lines_of
from localcloud import LocalCloud

TEMPLATE = Path(__file__).resolve().parent.parent / "template.yaml"

LOCAL_PARAMETERS = {"DeletionProtection": "false", "TokenIssuer": "https://issuer.example.org"}
"""The template's parameters on a local cloud, which goes when it is left, and signs the tokens itself."""

_SLICE = 500
"""How many events are put on the bus before they are delivered: as many as the cloud holds at a time."""


_SOURCE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]*")
"""A source as the template's parameters take it."""


class SentEvent(NamedTuple):
    """An event as it is put on the bus."""

    source: str
    event_type: str
    detail: str  # JSON, as it came
    at: datetime  # UTC: when it became true; BEGINNING if it can't be read


class _Metadata(msgspec.Struct):
    event_type: str
    source: str = ""


class _Line(msgspec.Struct):
    """An event as EventBridge has it, or only its `detail`."""

    metadata: _Metadata | None = None
    source: str | None = None
    detail_type: str = msgspec.field(name="detail-type", default="")
    time: str = ""
    detail: msgspec.Raw = msgspec.Raw(b"")


_decode_line = msgspec.json.Decoder(_Line).decode


def events_of(details: Iterable[Mapping[str, Any]]) -> Iterator[SentEvent | str]:
    """Return made-up events, as `event_of` does."""
    for detail in details:
        yield event_of(json.dumps(detail).encode())


def events_of_files(files: Iterable[str]) -> Iterator[SentEvent | str]:
    """Return the events of files of JSON lines, as `event_of` does. Raises UnreadableError."""
    for file in files:
        for _, line in lines_of(file):
            yield event_of(line)


def event_of(line: bytes) -> SentEvent | str:
    """Return a line's event for the bus, or, for the queue itself, the text of what no bus would bring there.

    These are lines without an event, and events of this service: on the bus they would be sent once more. An event
    in EventBridge's form has its send time; any other counts as sent when its fact became true.
    """
    message = None
    text = line[: MAX_BYTES + 1].decode(errors="backslashreplace")  # too long, or not UTF-8, it still is
    try:
        message = decode(line, datetime.now(UTC))
        at = BEGINNING if message is None else message.at
    except RefusedError as refusal:
        if refusal.reason in {Reason.NOT_JSON, Reason.TOO_LARGE}:
            return text
        at = BEGINNING
    try:
        event = _decode_line(line)
    except msgspec.DecodeError:  # ingestion reads more forms than JSON lines: the queue takes them as they are
        return text
    source, event_type, detail = event.source, event.detail_type, bytes(event.detail)
    if event.metadata is None and message is not None and event.time:
        at = message.sent_at
    if event.metadata is not None:
        source, event_type, detail = event.metadata.source, event.metadata.event_type, line
    if source in {None, OWN_SOURCE} or not event_type or not detail.lstrip().startswith(b"{"):
        return text
    return SentEvent(source or "file", event_type, detail.decode(), at)


def trusting(events: Iterable[SentEvent | str]) -> dict[str, str]:
    """Return the template's parameters by which these events' sources are the platform's, and may act for people.

    Whoever runs a file answers for its events. No parameter lets anybody send as this service itself.
    """
    named = sorted(
        {event.source for event in events if isinstance(event, SentEvent) and _SOURCE.fullmatch(event.source)}
    )
    sources = ",".join(["openedx/*", *named])
    return {"PlatformSources": sources, "ActingSources": sources}


@dataclass(slots=True)
class StoredCertificate:
    """The stored certificate of one learner in one course run, and its reasons."""

    record: Record
    published: PublishedCertificate
    reasons: tuple[str, ...]  # empty if downloadable


@dataclass(slots=True)
class Run:
    """What came of a run."""

    events: int = 0
    seconds: float = 0
    parked: Counter[str] = field(default_factory=Counter)  # by reason
    published: Counter[str] = field(default_factory=Counter)  # events out, by type
    dead: int = 0
    held: list[StoredCertificate] = field(default_factory=list)
    as_of: datetime = BEGINNING

    def by_status(self) -> Counter[str]:
        """Count learners by certificate status."""
        return Counter(
            str(held.published.certificate.status) if held.published.certificate else "no certificate"
            for held in self.held
        )

    def by_reason(self) -> Counter[str]:
        """Count why learners have no downloadable certificate; one can have several reasons."""
        return Counter(reason for held in self.held for reason in held.reasons)


def drive(cloud: LocalCloud, events: Iterable[SentEvent | str], on_progress: Callable[[int], object]) -> Run:
    """Put the events on the cloud's bus, deliver everything, and run the schedules up to their end."""
    run = Run()
    started = time.monotonic()
    bus, queue = cloud.physical("Bus"), cloud.physical("IngestQueue")
    eventbridge, sqs = cloud.client("events"), cloud.client("sqs")
    published_queue = _listen(cloud)
    for part in batched(events, _SLICE, strict=False):
        entries = []
        for event in part:
            if isinstance(event, str):
                sqs.send_message(QueueUrl=queue, MessageBody=event)
            else:
                run.as_of = max(run.as_of, event.at)
                entries.append(_entry(bus, event, run.as_of))
        for batch in batched(entries, 10, strict=False):
            eventbridge.put_events(Entries=list(batch))
        cloud.deliver(delayed=True)  # by the time of the next events, a minute is long past
        run.events += len(part)
        on_progress(run.events)
    cloud.deliver(delayed=True)
    if run.as_of > BEGINNING:
        cloud.run_schedules(run.as_of)
    cloud.deliver(delayed=True)
    run.seconds = time.monotonic() - started
    for message in _messages(cloud, "ParkedQueue"):
        run.parked[message["MessageAttributes"]["reason"]["StringValue"]] += 1
    run.dead = sum(1 for name in ("IngestDeadLetters", "PublishDeadLetters") for _ in _messages(cloud, name))
    run.published.update(json.loads(message["Body"])["detail-type"] for message in _queue(sqs, published_queue))
    return run


def look(cloud: LocalCloud, run: Run, policies: Policies) -> None:
    """Read the stored certificates of every learner in every course run."""
    learners: dict[str, Timeline] = {}
    course_runs: dict[str, Timeline] = {}
    records: list[tuple[int, str, Timeline, PublishedCertificate]] = []
    for item in _scan(cloud.client("dynamodb"), cloud.physical("CertificatesTable")):
        if item["s"]["S"] in storage.WITHOUT_TIMELINE:
            continue
        timeline = storage.timeline_of(storage.Item.from_raw_data(item))
        kind, _, name = item["p"]["S"].partition("#")
        if kind == "R":
            course_runs[name] = timeline
        elif item["s"]["S"] == "ID":
            learners[name] = timeline
        else:
            published, _ = decode_published(item["c"]["S"])
            records.append((int(name), item["s"]["S"], timeline, published))
    for learner_id, course_run, own, published in sorted(records, key=lambda found: (found[1], found[0])):
        shared = (*course_runs.get(course_run, ()), *learners.get(str(learner_id), ()))
        timeline = tuple(sorted((*shared, *own), key=lambda entry: entry[:4]))
        record = Record(learner_id, course_run, timeline)
        issued = published.certificate is not None and published.certificate.status is Status.DOWNLOADABLE
        reasons = () if issued else replay(record, policies, run.as_of).reasons
        run.held.append(StoredCertificate(record, published, reasons))


def telling(run: Run, policies: Policies) -> Iterator[str]:
    """Explain three learners, as text: one with a certificate, one without, and one who lost or may lose it."""
    common = {reason for reason, _ in run.by_reason().most_common(3)}
    kinds: tuple[Callable[[StoredCertificate], bool], ...] = (
        lambda held: not held.reasons and held.published.pending is None,
        lambda held: held.published.certificate is None and set(held.reasons) <= common,
        lambda held: held.published.pending is not None or len(held.published.transitions) > 1,
    )
    for kind in kinds:
        chosen = next((held for held in run.held if kind(held)), None)
        if chosen is not None:
            explanation = explain(chosen.record, policies, run.as_of, published=chosen.published)
            yield as_text(explanation, brief=True)


def _entry(bus: str, event: SentEvent, as_of: datetime) -> dict[str, Any]:
    entry = {
        "EventBusName": bus,
        "Source": event.source,
        "DetailType": event.event_type,
        "Detail": event.detail,
    }
    return entry if as_of is BEGINNING else {**entry, "Time": as_of}


def _listen(cloud: LocalCloud) -> str:
    """Route published events to a queue of our own, and return its URL."""
    sqs, eventbridge = cloud.client("sqs"), cloud.client("events")
    url: str = sqs.create_queue(QueueName="told")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    bus = cloud.physical("Bus")
    pattern = json.dumps({"source": ["course-certificates"]})
    eventbridge.put_rule(Name="told", EventBusName=bus, EventPattern=pattern)
    eventbridge.put_targets(Rule="told", EventBusName=bus, Targets=[{"Id": "told", "Arn": arn}])
    return url


def _messages(cloud: LocalCloud, queue: str) -> Iterator[dict[str, Any]]:
    return _queue(cloud.client("sqs"), cloud.physical(queue))


def _queue(sqs: Any, url: str) -> Iterator[dict[str, Any]]:
    """Take all messages from a queue."""
    while messages := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, MessageAttributeNames=["All"]).get(
        "Messages"
    ):
        yield from messages


def _scan(dynamodb: Any, table: str) -> Iterator[dict[str, Any]]:
    for page in dynamodb.get_paginator("scan").paginate(TableName=table):
        yield from page["Items"]


def summary(run: Run) -> dict[str, Any]:
    """Return the outcome for scripts (`--json`)."""
    return {
        "events": run.events,
        "seconds": round(run.seconds, 1),
        "as_of": as_time(run.as_of),
        "status": dict(run.by_status().most_common()),
        "reasons": dict(run.by_reason().most_common()),
        "parked": dict(run.parked.most_common()),
        "published": dict(run.published.most_common()),
        "dead_lettered": run.dead,
    }


def certificates(run: Run) -> dict[tuple[int, str], tuple[str | None, list[str]]]:
    """Return each learner's certificate status (None: none) and reasons, by learner and course run."""
    return {
        (held.record.learner_id, held.record.course_run): (
            str(held.published.certificate.status) if held.published.certificate else None,
            list(held.reasons),
        )
        for held in run.held
    }

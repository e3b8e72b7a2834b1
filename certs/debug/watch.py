"""Samples sent through the local cloud while the invocations of one function are watched."""

import json
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from certrules.core.fact_types import Approval, Enrollment, Fact
from certrules.core.guard import PublishedCertificate
from certrules.core.timeline import Entry
from certrules.formats.stored import as_time, encode_published, encode_timeline
from certs.debug.containers import ROOT, FunctionFailedError, Json, Runner
from certs.imports.files import files_of
from certs.imports.job import Import, ImportTarget
from certs.imports.parts import read_tables
from localcloud import LocalCloud
from localcloud.functions import LocalFunction

TEMPLATE = ROOT / "template.yaml"


EVENTS = ROOT / "events"


BRIDGED = EVENTS / "buses" / "kafka.json"
"""What Lambda sends to the bridge: a sample of records."""


KAFKA_PARAMETERS = {
    "KafkaBridge": "self-managed",
    "KafkaCluster": "broker.example.org:9092",
    "KafkaTopics": "dev-learning",
}
"""The template's parameters for a bridge. No Kafka is there: the records come from the sample."""


COURSE_RUN = "course-v1:DemoX+CS101+2026_T1"


UNDECIDED = 4242
"""A learner who is in no sample."""


ENROLLMENTS = f"user_id,course_id,created,is_active,mode\n4243,{COURSE_RUN},2026-01-02 03:04:05,1,verified\n"


_CASE = "learner_id=42&course_run=course-v1:DemoX%2BCS101%2B2026_T1"


SUPPORT_ASKS = (
    "/v1/course-run/learners?course_run=course-v1:DemoX%2BCS101%2B2026_T1",
    f"/v1/case/changes?{_CASE}&since=2026-01-01T00:00:00Z&until=2026-07-15T00:00:00Z",
)
"""What support asks of the samples' learner: the answers don't depend on when it asks."""


OF_AN_EXECUTION = {"run", "at", "started_at", "finished_at", "report"}


class Invocation(NamedTuple):
    """One call of a function: which event led to it, how many records it was sent, what it answered."""

    event: str
    function: str
    records: int
    answer: Any


class Watched:
    """Stands where the local cloud calls a function: runs it, here or elsewhere, and notes each invocation.

    After a failure it runs nothing more: the delivery would only try the same again.
    """

    def __init__(self, name: str, function: LocalFunction, log: list[Invocation], runner: Runner | None) -> None:
        here = function.invoke
        self._name, self._log = name, log
        self._run: Runner = runner or (lambda _name, event: here(event))
        self.event = ""
        self.failure: Exception | None = None
        # Its event source mappings hold the function itself, so the function has to change.
        function.invoke = self.invoke  # type: ignore[method-assign]

    def invoke(self, event: Any) -> Any:
        """Run the function. Raises what it raises."""
        if self.failure:
            raise FunctionFailedError("not tried again") from self.failure
        try:
            answer = self._run(self._name, event)
        except Exception as failure:
            self.failure = failure
            raise
        self._log.append(Invocation(self.event, self._name, len(event.get("Records", ())), answer))
        return answer


class Watch:
    """The local cloud with its functions watched; `elsewhere` are the functions that a runner runs."""

    def __init__(self, cloud: LocalCloud, elsewhere: dict[str, Runner]) -> None:
        self._cloud = cloud
        self.invocations: list[Invocation] = []
        self._watched = [
            Watched(name, function, self.invocations, elsewhere.get(name)) for name, function in cloud.functions.items()
        ]

    def send(self, sample: Path) -> None:
        """Put a sample on the bus and deliver everything. Raises the errors of functions."""
        self._name(sample.stem)
        entry = envelope(sample)
        self._cloud.client("events").put_events(Entries=[entry | {"EventBusName": self._cloud.physical("Bus")}])
        self._see_through()

    def bridge(self) -> None:
        """Send the sample of Kafka's records to the bridge, and deliver everything. Raises the errors of functions."""
        self._name("kafka")
        self._cloud.invoke("BridgeFunction", json.loads(BRIDGED.read_text()))
        self._see_through()

    def sweep(self) -> None:
        """Run the schedules and deliver everything. Raises the errors of functions."""
        self._name("schedule")
        self._cloud.run_schedules()
        self._see_through()

    def ask(self) -> None:
        """Look up the samples' learner through the support API. Raises the function's errors."""
        self._name("support")
        token = self._cloud.api.token("debug", ["certificates/view"])
        for path in SUPPORT_ASKS:
            self._cloud.api.request("GET", path, {"Authorization": f"Bearer {token}"})
        self._see_through()

    def take_in_tables(self) -> None:
        """Import a table of the platform. Raises the errors of functions."""
        self._name("import")
        client, physical, now = self._cloud.client, self._cloud.physical, datetime.now(UTC)
        stack = ImportTarget(client("s3"), client("stepfunctions"), physical("BulkBucket"), physical("ImportMachine"))
        with TemporaryDirectory() as folder:
            table = Path(folder, "student_courseenrollment.csv")
            table.write_text(ENROLLMENTS)
            files, _ = files_of([table])
            with Path(folder, "rejects.jsonl").open("w") as rejects:
                reading = read_tables(files, Path(folder, "parts"), rejects, now)
            begun = Import.upload(stack, reading, Path(folder, "parts"), now, lambda _parts: None)
        begun.start(preview=True)
        self._see_through()
        begun.accept([COURSE_RUN])
        begun.start()
        self._see_through()

    def regenerate(self) -> None:
        """Award a certificate to a learner who was never decided, by a bulk run. Raises the errors of functions."""
        self._name("regenerate")
        at = datetime(2026, 1, 1, tzinfo=UTC)
        passed = Entry(at, "passed", Fact.PASSING, "", value=True)
        enrolled = Entry(at, "enrolled", Fact.ENROLLMENT, "", Enrollment("verified", active=True))
        verified = Entry(at, "verified", Fact.ID_VERIFICATION, "1", Approval(None))
        nothing = encode_published(PublishedCertificate(), 0, 0, 0)
        for key, entries, more in (
            (COURSE_RUN, (enrolled, passed), {"c": nothing, "r": f"{COURSE_RUN}#{UNDECIDED % 16}"}),
            ("ID", (verified,), {}),
        ):
            item = {"p": f"L#{UNDECIDED}", "s": key, "e": encode_timeline(entries), **more}
            self._cloud.client("dynamodb").put_item(
                TableName=self._cloud.physical("CertificatesTable"),
                Item={"v": {"N": "1"}, **{name: {"S": value} for name, value in item.items()}},
            )
        request = {"course_runs": [COURSE_RUN], "learners": [UNDECIDED], "by": "debug", "reason": "debug"}
        run = {"id": "debug", "request": {**request, "at": as_time(datetime.now(UTC))}, "approval": None}
        self._cloud.client("stepfunctions").start_execution(
            stateMachineArn=self._cloud.physical("RegenerateMachine"), name="debug", input=json.dumps(run)
        )
        self._see_through()

    def exported(self) -> Json:
        """Return the case of the samples' learner as support exports it. Raises the errors of functions."""
        token = self._cloud.api.token("debug", ["certificates/view"])
        answer = self._cloud.api.request("GET", f"/v1/case/events?{_CASE}", {"Authorization": f"Bearer {token}"})
        self._see_through()
        exported: Json = json.loads(answer.body)
        return exported

    def queue(self, details: list[Json]) -> None:
        """Put events on the queue of ingest, and deliver everything. Raises the errors of functions."""
        sqs, url = self._cloud.client("sqs"), self._cloud.physical("IngestQueue")
        for detail in details:
            sqs.send_message(QueueUrl=url, MessageBody=json.dumps(detail))
        self._see_through()

    def remains(self) -> dict[str, int]:
        """Count the items of each table and the messages of each queue that the functions know."""
        scan = self._cloud.client("dynamodb").scan
        tables = {name: scan(TableName=table, Select="COUNT")["Count"] for name, table in self._named("_TABLE")}
        return tables | self._messages("ApproximateNumberOfMessages")

    def _messages(self, which: str) -> dict[str, int]:
        ask = self._cloud.client("sqs").get_queue_attributes
        return {
            name: int(ask(QueueUrl=url, AttributeNames=[which])["Attributes"][which])
            for name, url in self._named("_QUEUE_URL")
        }

    def _named(self, suffix: str) -> list[tuple[str, str]]:
        """Return the tables or queues that the functions know, by the variables that name any."""
        known = {k: v for function in self._cloud.functions for k, v in self._cloud.environment(function).items()}
        return [(k, v) for k, v in sorted(known.items()) if k.endswith(suffix) and v]

    def _see_through(self) -> None:
        self._cloud.deliver(delayed=True)
        for watched in self._watched:
            if watched.failure:
                raise watched.failure

    def _name(self, event: str) -> None:
        for watched in self._watched:
            watched.event = event


def envelope(sample: Path) -> Json:
    """Read a sample as an entry for PutEvents: an EventBridge envelope, or the detail alone."""
    event = json.loads(sample.read_text())
    detail = event.get("detail", event)
    metadata = detail["metadata"]
    return {
        "Source": event.get("source", metadata["source"]),
        "DetailType": event.get("detail-type", metadata["event_type"]),
        "Detail": json.dumps(detail),
    }


def samples() -> list[Path]:
    """Return the sample events, oldest first: each finds the facts that it would find."""
    return sorted(EVENTS.glob("*.json"), key=lambda sample: (sample_time(sample), sample.name))


def sample_time(sample: Path) -> str:
    """Return when a sample's fact became true, from its metadata."""
    return str(json.loads(envelope(sample)["Detail"])["metadata"]["time"])

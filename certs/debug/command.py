"""Functions in a real Lambda container, in the midst of the local cloud: `make debug`.

The local cloud delivers an event as the cloud would, so each function is sent what it is really sent: a batch
of a queue's messages, a batch of a stream's records, a schedule's event. Only where a function runs differs.
"""

import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple
from uuid import uuid4

import click

from certrules.core.facts import Approval, Enrollment
from certrules.core.guard import Published
from certrules.core.replay import replay
from certrules.core.terms import Fact
from certrules.core.timeline import Entry
from certrules.formats.stored import as_time, encode_published, encode_timeline
from certs.imports.job import Import, Stack, files_of
from certs.imports.parts import read_tables
from certs.replay import outcome_as_json, read_history, read_policy
from localcloud import LocalCloud
from localcloud.functions import LocalFunction

Json = dict[str, Any]
type Runner = Callable[[str, object], Any]
"""Runs a function, named by its logical id, on an event, and returns its answer."""

ROOT = Path(__file__).resolve().parent.parent
TEMPLATE = ROOT / "template.yaml"
EVENTS = ROOT / "events"
LOCAL_AWS = Path(os.environ.get("CERTS_LOCAL_AWS", ROOT.parent / "shared" / "local-aws"))

RUNTIME_IMAGE = "public.ecr.aws/lambda/python:3.13-x86_64"
CONTAINER_HOST = "host.docker.internal"  # this machine, as a container sees it
SAM_LOCAL = ("--skip-pull-image", "--add-host", f"{CONTAINER_HOST}:host-gateway")
LIBC = "/lib/x86_64-linux-gnu"
COURSE_RUN = "course-v1:DemoX+CS101+2026_T1"
UNDECIDED = 4242
"""A learner of whom no sample tells."""

ENROLLMENTS = f"user_id,course_id,created,is_active,mode\n4243,{COURSE_RUN},2026-01-02 03:04:05,1,verified\n"
_CASE = "learner_id=42&course_run=course-v1:DemoX%2BCS101%2B2026_T1"
SUPPORT_ASKS = (
    "/v1/course-run/learners?course_run=course-v1:DemoX%2BCS101%2B2026_T1",
    f"/v1/case/changes?{_CASE}&since=2026-01-01T00:00:00Z&until=2026-07-15T00:00:00Z",
)
"""What support asks of the samples' learner: the answers don't depend on when it asks."""

OF_AN_EXECUTION = {"run", "at", "started_at", "finished_at", "report"}

READY_SECONDS = 60  # for `sam local start-lambda`, which only has to read the template
INVOCATION_SECONDS = 120  # of which a container may take 30 to be made

NO_DOCKER = (
    "a Lambda container needs docker: start it, or install it (on Debian: apt install docker.io). "
    "Everything but `make debug` works without it."
)
NO_IMAGE = (
    f"docker has no image {RUNTIME_IMAGE} and can't pull it; "
    "CERTS_LOCAL_AWS may name a folder whose `build-lambda-image` makes it."
)


class NoContainersError(click.ClickException):
    """This machine can't run Lambda containers; the exit code tells it from a failure."""

    exit_code = 3


class FunctionFailedError(click.ClickException):
    """The function raised, or the container did not answer."""


class Invocation(NamedTuple):
    """One call of a function: which event led to it, how many records it was sent, what it answered."""

    event: str
    function: str
    records: int
    answer: Any


# --- the machine


def prepare_runtime_image() -> None:
    """Have docker hold the image that Lambda runs Python in. Raises NoContainersError."""
    build = LOCAL_AWS / "build-lambda-image"
    if not _succeeds("docker", "info"):
        if not build.exists() or not _succeeds(build, quiet=False):
            raise NoContainersError(NO_DOCKER)
    elif not (
        _succeeds("docker", "image", "inspect", RUNTIME_IMAGE)
        or _succeeds("docker", "pull", "--quiet", RUNTIME_IMAGE)
        or (build.exists() and _succeeds(build, quiet=False))
    ):
        raise NoContainersError(NO_IMAGE)
    _complete_runtime_image()


def _complete_runtime_image() -> None:
    """Give the image the parts of libc that wheels link to: one made of this machine has only what CPython needs."""
    looked = f"test -e {LIBC}/librt.so.1 || test -e /lib64/librt.so.1 || test -e /usr/lib64/librt.so.1"
    if _succeeds("docker", "run", "--rm", "--entrypoint", "/bin/sh", RUNTIME_IMAGE, "-c", looked):
        return
    name = f"complete-{uuid4()}"
    _succeeds("docker", "create", "--name", name, RUNTIME_IMAGE)
    for part in ("librt.so.1", "libdl.so.2", "libpthread.so.0", "libgcc_s.so.1"):
        _succeeds("docker", "cp", "--follow-link", f"{LIBC}/{part}", f"{name}:{LIBC}/")
    _succeeds("docker", "commit", name, RUNTIME_IMAGE)
    _succeeds("docker", "rm", name)


def build_functions() -> None:
    """Build layer and functions as they are deployed. Raises ClickException."""
    if not _succeeds(str(_sam()), "build", quiet=False):
        raise click.ClickException("sam build failed")


def _succeeds(*command: str | Path, quiet: bool = True) -> bool:
    if shutil.which(command[0]) is None:
        return False
    output = subprocess.DEVNULL if quiet else sys.stderr
    return (
        subprocess.run(command, cwd=ROOT, stdout=output, stderr=output, env=_environment(), check=False).returncode == 0
    )


def _sam() -> Path:
    return Path(sys.executable).with_name("sam")


def _environment() -> dict[str, str]:
    """Give this process's environment, with the python3.13 that `sam build` looks for."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return os.environ | {"PATH": path, "SAM_CLI_TELEMETRY": "0"}


# --- functions in containers


@contextmanager
def one_container_each(cloud: LocalCloud) -> Iterator[Runner]:
    """Yield what runs each invocation in a container of its own and shows its log: `sam local invoke`."""
    with _variables(cloud) as variables:

        def run(function: str, event: object) -> Any:
            command = [
                str(_sam()),
                "local",
                "invoke",
                function,
                "--event",
                "-",
                "--env-vars",
                str(variables),
                *SAM_LOCAL,
            ]
            ran = subprocess.run(
                command,
                cwd=ROOT,
                env=_environment(),
                input=json.dumps(event),
                stdout=subprocess.PIPE,
                text=True,
                check=False,
            )
            if ran.returncode:
                raise FunctionFailedError(f"sam local invoke {function} failed")
            return _answer(function, ran.stdout)

        yield run


@contextmanager
def warm_containers(cloud: LocalCloud) -> Iterator[Runner]:
    """Yield what runs each function in one container, kept for the next: `sam local start-lambda`."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    with _variables(cloud) as variables, TemporaryDirectory() as folder:
        log = Path(folder, "sam.log")
        command = [
            str(_sam()),
            "local",
            "start-lambda",
            "--port",
            port,
            "--warm-containers",
            "LAZY",
            "--no-watch",
        ]
        with log.open("w") as written:
            sam = subprocess.Popen(
                [*command, "--env-vars", variables, *SAM_LOCAL],
                cwd=ROOT,
                env=_environment(),
                stdout=written,
                stderr=written,
            )

        def run(function: str, event: object) -> Any:
            request = urllib.request.Request(
                f"http://127.0.0.1:{port}/2015-03-31/functions/{function}/invocations",
                json.dumps(event).encode(),
            )
            try:
                with urllib.request.urlopen(request, timeout=INVOCATION_SECONDS) as response:
                    return _answer(function, response.read().decode())
            except OSError as error:
                raise FunctionFailedError(f"{function}: {error}\n{log.read_text()}") from error

        try:
            _wait_for(sam, int(port), log)
            yield run
        finally:
            sam.terminate()  # it stops its containers then
            sam.wait(INVOCATION_SECONDS)


@contextmanager
def _variables(cloud: LocalCloud) -> Iterator[Path]:
    """Serve the cloud, and yield the file that tells functions in containers where it is."""
    port = cloud.serve(0).rpartition(":")[2]
    endpoint = f"http://{CONTAINER_HOST}:{port}"
    variables = {
        name: {k: endpoint if k.startswith("AWS_ENDPOINT_URL") else v for k, v in cloud.environment(name).items()}
        for name in cloud.functions
    }
    with TemporaryDirectory() as folder:
        file = Path(folder, "variables.json")
        file.write_text(json.dumps(variables))
        yield file


def _wait_for(sam: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while sam.poll() is None and time.monotonic() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    raise FunctionFailedError(f"sam local start-lambda does not answer:\n{log.read_text()}")


def _answer(function: str, text: str) -> Any:
    """Read what a function answered. SAM marks no failure: only the answer's shape tells that it raised."""
    answer = json.loads(text)
    if isinstance(answer, dict) and "errorType" in answer:
        raise FunctionFailedError(f"{function} raised {answer['errorType']}: {answer.get('errorMessage')}")
    return answer


# --- events on their way


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
        # Its event source mappings hold the function itself, so it is the function that must be told.
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
    """The local cloud with its functions watched; `elsewhere` says which of them a runner runs."""

    def __init__(self, cloud: LocalCloud, elsewhere: dict[str, Runner]) -> None:
        self._cloud = cloud
        self.invocations: list[Invocation] = []
        self._watched = [
            Watched(name, function, self.invocations, elsewhere.get(name)) for name, function in cloud.functions.items()
        ]

    def send(self, sample: Path) -> None:
        """Put a sample on the bus and see it through. Raises what a function raises."""
        self._name(sample.stem)
        entry = envelope(sample)
        self._cloud.client("events").put_events(Entries=[entry | {"EventBusName": self._cloud.physical("Bus")}])
        self._see_through()

    def sweep(self) -> None:
        """Run what is scheduled, and see it through. Raises what a function raises."""
        self._name("schedule")
        self._cloud.run_schedules()
        self._see_through()

    def ask(self) -> None:
        """Have support look up the samples' learner. Raises what the function raises."""
        self._name("support")
        token = self._cloud.api.token("debug", ["certificates/view"])
        for path in SUPPORT_ASKS:
            self._cloud.api.request("GET", path, {"Authorization": f"Bearer {token}"})
        self._see_through()

    def take_in_tables(self) -> None:
        """Have a table of the platform taken in. Raises what a function raises."""
        self._name("import")
        client, physical, now = self._cloud.client, self._cloud.physical, datetime.now(UTC)
        stack = Stack(client("s3"), client("stepfunctions"), physical("BulkBucket"), physical("ImportMachine"))
        with TemporaryDirectory() as folder:
            table = Path(folder, "student_courseenrollment.csv")
            table.write_text(ENROLLMENTS)
            files, _ = files_of([table])
            with Path(folder, "rejects.jsonl").open("w") as rejects:
                reading = read_tables(files, Path(folder, "parts"), rejects, now)
            Import.upload(stack, reading, Path(folder, "parts"), now, lambda _parts: None).start()
        self._see_through()

    def regenerate(self) -> None:
        """Have a bulk run award a certificate to a learner who was never decided. Raises what a function raises."""
        self._name("regenerate")
        at = datetime(2026, 1, 1, tzinfo=UTC)
        passed = Entry(at, "passed", Fact.PASSING, "", value=True)
        enrolled = Entry(at, "enrolled", Fact.ENROLLMENT, "", Enrollment("verified", active=True))
        verified = Entry(at, "verified", Fact.ID_VERIFICATION, "1", Approval(None))
        nothing = encode_published(Published(), 0, 0, 0)
        for key, entries, more in (
            (COURSE_RUN, (enrolled, passed), {"c": nothing, "r": f"{COURSE_RUN}#{UNDECIDED % 16}"}),
            ("ID", (verified,), {}),
        ):
            item = {"p": f"L#{UNDECIDED}", "s": key, "e": encode_timeline(entries), **more}
            self._cloud.client("dynamodb").put_item(
                TableName=self._cloud.physical("CertificatesTable"),
                Item={"v": {"N": "1"}, **{name: {"S": value} for name, value in item.items()}},
            )
        asked = {"course_runs": [COURSE_RUN], "learners": [UNDECIDED], "by": "debug", "reason": "debug"}
        run = {"id": "debug", "request": {**asked, "at": as_time(datetime.now(UTC))}, "approval": None}
        self._cloud.client("stepfunctions").start_execution(
            stateMachineArn=self._cloud.physical("RegenerateMachine"), name="debug", input=json.dumps(run)
        )
        self._see_through()

    def exported(self) -> Json:
        """Return the case of the samples' learner as support exports it. Raises what a function raises."""
        token = self._cloud.api.token("debug", ["certificates/view"])
        answer = self._cloud.api.request("GET", f"/v1/case/events?{_CASE}", {"Authorization": f"Bearer {token}"})
        self._see_through()
        exported: Json = json.loads(answer.body)
        return exported

    def queue(self, details: list[Json]) -> None:
        """Put events on the queue of ingest, and see them through. Raises what a function raises."""
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
        """Return the tables or queues that the functions know, by the variables that name them."""
        known = {k: v for function in self._cloud.functions for k, v in self._cloud.environment(function).items()}
        return [(k, v) for k, v in sorted(known.items()) if k.endswith(suffix)]

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
    return sorted(EVENTS.glob("*.json"), key=lambda sample: (_time(sample), sample.name))


def _time(sample: Path) -> str:
    return str(json.loads(envelope(sample)["Detail"])["metadata"]["time"])


# --- the two uses


def debug(function: str, sample: Path) -> list[Invocation]:
    """Run one function in a container on what it is sent when this sample arrives after all older ones."""
    with LocalCloud(TEMPLATE) as cloud:
        before = Watch(cloud, {})
        for older in samples():
            if _time(older) < _time(sample):
                before.send(older)
        with one_container_each(cloud) as runner:
            watch = Watch(cloud, {function: runner})
            watch.send(sample)
            watch.sweep()
            watch.take_in_tables()
            watch.regenerate()
            watch.ask()
    return [invocation for invocation in watch.invocations if invocation.function == function]


def compare() -> int:
    """Send all samples twice, to functions in this process and in containers, and count the records.

    Raises ClickException where a function is not reached, or where answers, or what is left in tables and
    queues, are not the same. How records fall into batches may differ: they are summed up.
    """

    def walk(cloud: LocalCloud, elsewhere: dict[str, Runner]) -> Counter[str]:
        watch = Watch(cloud, elsewhere)
        for sample in samples():
            watch.send(sample)
        watch.sweep()
        watch.take_in_tables()
        watch.regenerate()
        watch.ask()
        outcome = Counter(watch.remains())
        for sent, function, records, answer in watch.invocations:
            outcome[f"{sent}: records of {function}, which answered {json.dumps(_at_any_time(answer))}"] += records or 1
        return outcome

    with LocalCloud(TEMPLATE) as cloud:
        here = walk(cloud, {})
    with LocalCloud(TEMPLATE) as cloud, warm_containers(cloud) as runner:
        there = walk(cloud, dict.fromkeys(cloud.functions, runner))
        unreached = [name for name in cloud.functions if not any(f" {name}, " in what for what in there)]
    if unreached:
        raise click.ClickException(f"no sample reaches {', '.join(unreached)}")
    if here != there:
        different = sorted(what for what in here | there if here[what] != there[what])
        raise click.ClickException(
            "\n".join(f"{what}: {here[what]} here, {there[what]} in containers" for what in different)
        )
    return sum(records for what, records in there.items() if ": records of " in what)


def _at_any_time(answer: Any) -> Any:
    """Return an answer without what the steps of a state machine say of which execution they belong to, and when."""
    if isinstance(answer, list):
        return [_at_any_time(part) for part in answer]
    if isinstance(answer, dict):
        return {name: _at_any_time(value) for name, value in answer.items() if name not in OF_AN_EXECUTION}
    return answer


def compare_case() -> None:
    """Export a case, and decide it again by `certs replay` and by functions in containers.

    Raises ClickException where they don't come to the same.
    """
    with LocalCloud(TEMPLATE) as cloud:
        watch = Watch(cloud, {})
        for sample in samples():
            watch.send(sample)
        exported = watch.exported()
    with TemporaryDirectory() as folder:
        file = Path(folder, "case.jsonl")
        file.write_text("".join(json.dumps(event) + "\n" for event in exported["events"]))
        (record,) = read_history([str(file)], datetime.now(UTC), []).records()
    until = datetime.fromisoformat(exported["until"])
    replayed = outcome_as_json(record, replay(record, read_policy(exported["policy"]), until))
    with LocalCloud(TEMPLATE) as cloud, warm_containers(cloud) as runner:
        watch = Watch(cloud, dict.fromkeys(cloud.functions, runner))
        watch.queue(exported["events"])
        contained = watch.exported()
    told = ("status", "mode", "grade", "issued_at", "first_issued_at")
    found = {
        json.dumps({name: certificate[name] for name in told})
        for certificate in (exported["certificate"], replayed, contained["certificate"])
    }
    if len(found) > 1:
        raise click.ClickException("an exported case is decided differently:\n" + "\n".join(sorted(found)))


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("function", required=False)
@click.argument("event", required=False, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--all",
    "everything",
    is_flag=True,
    help="Every function and sample, compared with this process's answers.",
)
def main(function: str | None, event: Path | None, everything: bool) -> None:
    """Run FUNCTION (any of functions/) in a Lambda container on what EVENT, and what comes after it, leads to."""
    if not everything and (function is None or event is None):
        raise click.UsageError("name a function and a sample: make debug F=ingest E=events/NAME.json")
    prepare_runtime_image()
    build_functions()
    if everything:
        records = compare()
        compare_case()
        click.echo(f"{len(samples())} events, {records} records, an exported case: containers and this process agree")
        return
    assert function is not None
    assert event is not None
    invocations = debug(f"{function.capitalize()}Function", event)
    if not invocations:
        raise click.ClickException(f"{event} makes nothing be sent to {function}")
    for invocation in invocations:
        click.echo(f"{function}, {invocation.records} records, answered: {json.dumps(invocation.answer, indent=2)}")

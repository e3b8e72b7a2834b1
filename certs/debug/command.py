"""Functions in a real Lambda container, in the midst of the local cloud: `make debug`.

The local cloud delivers an event as the cloud would, so each function is sent what it is really sent: a batch
of a queue's messages, a batch of a stream's records, a schedule's event. Only where a function runs differs.
"""

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from types import MappingProxyType
from typing import Any

import click

from certrules.core.replay import replay
from certs.debug.containers import Runner, build_functions, one_container_each, prepare_runtime_image, warm_containers
from certs.debug.credentials import credentials_service, store_secret
from certs.debug.watch import KAFKA_PARAMETERS, OF_AN_EXECUTION, TEMPLATE, Invocation, Watch, sample_time, samples
from certs.replay import outcome_as_json, read_history, read_policy
from certs.run import LOCAL_PARAMETERS, event_of, trusting
from localcloud import LocalCloud

_DIGEST = re.compile("[0-9a-f]{64}")
PARAMETERS = LOCAL_PARAMETERS | KAFKA_PARAMETERS
OF_RECORDS = "RecordsFunction"
"""What it works off depends on the clock: it decides with a definition a minute after that came."""

OF_DEPLOYMENTS = {"DeploymentFunction"}
"""Functions that only CloudFormation calls."""


@contextmanager
def _cloud(more: Mapping[str, str] = MappingProxyType({})) -> Iterator[LocalCloud]:
    """Start the local cloud beside a stand-in of the Credentials service."""
    with credentials_service() as credentials, LocalCloud(TEMPLATE, {**PARAMETERS, **credentials, **more}) as cloud:
        store_secret(cloud)
        yield cloud


def debug(function: str, sample: Path) -> list[Invocation]:
    """Run one function in a container on what it is sent when this sample arrives after all older ones."""
    with _cloud() as cloud:
        before = Watch(cloud, {})
        for older in samples():
            if sample_time(older) < sample_time(sample):
                before.send(older)
        with one_container_each(cloud) as runner:
            watch = Watch(cloud, {function: runner})
            watch.send(sample)
            watch.sweep()
            watch.take_in_tables()
            watch.regenerate()
            watch.ask()
            watch.bridge()
    return [invocation for invocation in watch.invocations if invocation.function == function]


def compare() -> int:
    """Send all samples twice, to functions in this process and in containers, and count the records.

    Raises ClickException where a function is not reached, or where answers, or the contents of tables and
    queues, are not the same. How records fall into batches may differ: they are summed up. Of OF_RECORDS only which
    answers it gave is compared, and whether it stored anything.
    """

    def walk(cloud: LocalCloud, elsewhere: dict[str, Runner]) -> Counter[str]:
        watch = Watch(cloud, elsewhere)
        for sample in samples():
            watch.send(sample)
        watch.sweep()
        watch.take_in_tables()
        watch.regenerate()
        watch.ask()
        watch.bridge()
        outcome = Counter(watch.remains())
        outcome["RECORDS_TABLE"] = min(outcome["RECORDS_TABLE"], 1)
        for sent, function, records, answer in watch.invocations:
            if function == OF_RECORDS:
                failed = answer.get("batchItemFailures", answer.get("RecordsFailed"))
                outcome[f"{function}, of which failed: {failed}"] = 1
                continue
            outcome[f"{sent}: records of {function}, which answered {json.dumps(_at_any_time(answer))}"] += records or 1
        return outcome

    with _cloud() as cloud:
        here = walk(cloud, {})
    with _cloud() as cloud, warm_containers(cloud) as runner:
        there = walk(cloud, dict.fromkeys(cloud.functions, runner))
        unreached = [
            name for name in cloud.functions.keys() - OF_DEPLOYMENTS if not any(f"{name}, " in what for what in there)
        ]
    if unreached:
        raise click.ClickException(f"no sample reaches {', '.join(unreached)}")
    if here != there:
        different = sorted(what for what in here | there if here[what] != there[what])
        raise click.ClickException(
            "\n".join(f"{what}: {here[what]} here, {there[what]} in containers" for what in different)
        )
    return sum(records for what, records in there.items() if ": records of " in what)


def _at_any_time(answer: Any) -> Any:
    """Return an answer without the names and times of the execution that a state machine's step belongs to.

    A digest is of the instant, too.
    """
    if isinstance(answer, str) and _DIGEST.fullmatch(answer):
        return "a digest"
    if isinstance(answer, list):
        return [_at_any_time(part) for part in answer]
    if isinstance(answer, dict):
        return {name: _at_any_time(value) for name, value in answer.items() if name not in OF_AN_EXECUTION}
    return answer


def compare_case() -> None:
    """Export a case, and decide it again by `certs replay` and by functions in containers.

    Raises ClickException where they don't come to the same.
    """
    with _cloud() as cloud:
        watch = Watch(cloud, {})
        for sample in samples():
            watch.send(sample)
        exported = watch.exported()
    with TemporaryDirectory() as folder:
        file = Path(folder, "case.jsonl")
        lines = [json.dumps(event) for event in exported["events"]]
        file.write_text("".join(f"{line}\n" for line in lines))
        (record,) = read_history([str(file)], datetime.now(UTC), []).records()
    until = datetime.fromisoformat(exported["until"])
    replayed = outcome_as_json(record, replay(record, read_policy(exported["policy"]), until))
    trusted = trusting(event_of(line.encode()) for line in lines)
    with _cloud(trusted) as cloud, warm_containers(cloud) as runner:
        watch = Watch(cloud, dict.fromkeys(cloud.functions, runner))
        watch.queue(exported["events"])
        contained = watch.exported()
    decided = [] if exported["otherwise"] else [replayed]  # the export names why a replay differs
    events = ("status", "mode", "grade", "issued_at", "first_issued_at")
    found = {
        json.dumps({name: certificate[name] for name in events})
        for certificate in (exported["certificate"], contained["certificate"], *decided)
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

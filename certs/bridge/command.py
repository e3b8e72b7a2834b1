"""`certs bridge`: the platform's own event bus, on Redis or Kafka, carried onto ours by a program that runs on."""

import os
import socket
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from certs.options import examples

MISSING = (
    "{library} is not installed: it comes with the extra `bridge` (pip install 'course-certificates[bridge]', "
    "or uv sync --extra bridge)"
)


@click.group(
    epilog=examples(
        "certs bridge redis --url redis://r:6379 --stream prod-exams --bus certs-bus --parked-queue https://sqs/parked",
        "certs bridge kafka --servers k:9092 --topic prod-exams --bus certs-bus --parked-queue https://sqs/parked",
        "certs bridge health /tmp/bridge.json    whether it is well: for a container's health check",
    )
)
def bridge() -> None:
    """Carry the platform's own event bus onto that of this service."""


_kafka_settings = click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="NAME=VALUE",
    help="A setting of librdkafka, such as security.protocol=SASL_SSL; may be repeated.",
)


def _librdkafka(settings: tuple[str, ...]) -> dict[str, str]:
    more = dict(setting.partition("=")[::2] for setting in settings)
    if password := os.environ.get("CERTS_KAFKA_PASSWORD"):
        more["sasl.password"] = password
    return more


def _parking(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that every bridge has."""
    for option in (
        click.option(
            "--parked-queue",
            required=True,
            envvar="CERTS_PARKED_QUEUE",
            metavar="URL",
            help="Where bad records go (output ParkedQueueUrl).",
        ),
        click.option(
            "--health",
            type=click.Path(dir_okay=False, path_type=Path),
            envvar="CERTS_BRIDGE_HEALTH",
            metavar="FILE",
            help="Write here how the bridge is, at least once a minute.",
        ),
    ):
        command = option(command)
    return command


def _common(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options of every bridge onto our bus."""
    for option in (
        click.option("--bus", required=True, envvar="CERTS_BUS", metavar="NAME", help="Our bus (output BusName)."),
        click.option(
            "--platform-sources",
            default="openedx/*",
            show_default=True,
            envvar="CERTS_PLATFORM_SOURCES",
            metavar="SOURCES",
            help="The sources of events that are the platform, as the stack's parameter PlatformSources has them.",
        ),
    ):
        command = option(command)
    return _parking(command)


def _run(source: Any, bus: str, parked_queue: str, platform_sources: str, health: Path | None) -> None:
    """Carry a source until SIGTERM."""
    from certrules import schema_registry
    from certrules.bridging import Destination, carry
    from certrules.formats.senders import TrustedSenders
    from certs.bridge.running import FIRST_WAIT, Health, run, stopped_by_signals

    trusted = TrustedSenders(tuple(filter(None, platform_sources.split(","))), (), "", frozenset())
    destination = Destination(bus, parked_queue, schema_registry.from_environment(), trusted)
    run(source, lambda records: carry(records, destination), Health(health), stopped_by_signals(), FIRST_WAIT)


@bridge.command("redis")
@click.option("--url", required=True, envvar="CERTS_REDIS_URL", metavar="URL", help="redis:// or rediss:// address.")
@click.option("--stream", "streams", multiple=True, required=True, metavar="NAME", help="A stream; may be repeated.")
@click.option("--group", default="course-certificates", show_default=True, help="The consumer group.")
@click.option(
    "--consumer", default=socket.gethostname, show_default="the host's name", help="This consumer within the group."
)
@_common
def redis_command(url: str, streams: tuple[str, ...], group: str, consumer: str, **common: Any) -> None:
    """Carry streams of Redis, as edx-event-bus-redis writes them.

    An entry is acknowledged when our bus has taken it, or it is parked. After a crash the pending ones come again.
    SIGTERM ends it when the batch in hand is through.
    """
    try:
        from certs.bridge.redis_streams import RedisPlace, RedisStreams
    except ModuleNotFoundError as error:
        raise click.ClickException(MISSING.format(library=error.name)) from error
    _run(RedisStreams(RedisPlace(url, streams, group, consumer)), **common)


@bridge.command("kafka")
@click.option("--servers", required=True, envvar="CERTS_KAFKA_SERVERS", metavar="HOST:PORT,…", help="Kafka's servers.")
@click.option("--topic", "topics", multiple=True, required=True, metavar="NAME", help="A topic; may be repeated.")
@click.option("--group", default="course-certificates", show_default=True, help="The consumer group.")
@_kafka_settings
@_common
def kafka_command(servers: str, topics: tuple[str, ...], group: str, settings: tuple[str, ...], **common: Any) -> None:
    """Carry topics of Kafka, as edx-event-bus-kafka writes them, where Lambda can't reach that Kafka.

    Offsets are committed when our bus has taken the records, or they are parked. The password for Kafka comes from
    CERTS_KAFKA_PASSWORD; the registry from SCHEMA_REGISTRY_URL. SIGTERM ends it when the batch in hand is through.
    """
    try:
        from certs.bridge.kafka_topics import KafkaTopics
    except ModuleNotFoundError as error:
        raise click.ClickException(MISSING.format(library=error.name)) from error
    try:
        source = KafkaTopics(servers, topics, group, _librdkafka(settings))
    except KafkaTopics.errors as error:
        raise click.ClickException(f"librdkafka does not take these settings: {error}") from error
    _run(source, **common)


@bridge.command("out")
@click.option("--queue", required=True, metavar="URL", help="A queue that a rule fills with this service's events.")
@click.option("--redis-url", envvar="CERTS_REDIS_URL", metavar="URL", help="The platform's bus, if it is Redis.")
@click.option("--kafka-servers", envvar="CERTS_KAFKA_SERVERS", metavar="HOST:PORT,…", help="..., if it is Kafka.")
@click.option("--to", required=True, metavar="NAME", help="The stream or topic of certificates.")
@click.option(
    "--table",
    envvar="CERTS_CERTIFICATES_TABLE",
    metavar="NAME",
    help="The table with the usernames that LearnerNames stores (output CertificatesTableName).",
)
@click.option("--longest", default=10_000, show_default=True, help="About how many entries the stream stores.")
@_kafka_settings
@_parking
def out_command(
    *,
    queue: str,
    redis_url: str | None,
    kafka_servers: str | None,
    to: str,
    table: str | None,
    longest: int,
    settings: tuple[str, ...],
    **common: Any,
) -> None:
    """Send certificate events (created, changed, revoked) to the platform's own bus.

    Only with the learner's username, of the event or of the table: the others are parked as no_username, for the
    platform's services would write them to a user named "". Kafka needs SCHEMA_REGISTRY_URL, where the schemas are
    registered.
    """
    if (redis_url is None) == (kafka_servers is None):
        raise click.UsageError("name one of --redis-url and --kafka-servers")
    from certs.bridge.outgoing import Queue, carry_out, stored_username
    from certs.bridge.running import FIRST_WAIT, Health, run, stopped_by_signals

    try:
        from certs.bridge import sinks
    except ModuleNotFoundError as error:
        raise click.ClickException(MISSING.format(library=error.name)) from error
    if table is not None:
        from certrules import storage

        storage.connect(table, table)
    if redis_url is not None:
        sink, errors = sinks.of_redis(redis_url, to, longest)
    else:
        sink, errors = sinks.of_kafka(str(kafka_servers), to, _librdkafka(settings))
    run(
        Queue(queue, errors),
        lambda messages: carry_out(messages, sink, common["parked_queue"], stored_username if table else lambda _: ""),
        Health(common["health"]),
        stopped_by_signals(),
        FIRST_WAIT,
    )


@bridge.command("health")
@click.argument("file", type=click.Path(path_type=Path))
def health_command(file: Path) -> None:
    """Exit with 0 if the bridge that writes FILE is well, with 1 if not."""
    from certs.bridge.running import is_healthy

    is_well, reason = is_healthy(file, datetime.now(UTC))
    click.echo(reason)
    raise SystemExit(0 if is_well else 1)

"""Where certificate events go out to, made of the libraries of the extra `bridge`."""

from collections.abc import Mapping

import click
import redis
from confluent_kafka import KafkaException, Producer

from certrules.schema_registry import named_registry
from certs.bridge.outgoing import KafkaSink, RedisSink, Sink

type Errors = tuple[type[Exception], ...]


def of_redis(url: str, stream: str, longest: int) -> tuple[Sink, Errors]:
    """Return a stream of Redis, and the errors that pass."""
    client = redis.Redis.from_url(url, protocol=2, socket_connect_timeout=5, socket_timeout=10)
    return RedisSink(client, stream, longest), (redis.RedisError,)


def of_kafka(servers: str, topic: str, more: Mapping[str, str]) -> tuple[Sink, Errors]:
    """Return a topic of Kafka, and the errors that pass. Raises ClickException without a registry."""
    registry = named_registry()
    if registry is None:
        raise click.ClickException("set SCHEMA_REGISTRY_URL: the platform's readers find the schemas there")
    settings = {"bootstrap.servers": servers, "enable.idempotence": True, "message.timeout.ms": 20_000, **more}
    try:
        producer = Producer(settings)
    except KafkaException as error:
        raise click.ClickException(f"librdkafka does not take these settings: {error}") from error
    return KafkaSink(producer, topic, registry, KafkaException), (KafkaException, BufferError)

"""Kafka topics as a bridge reads them: as a member of a consumer group, which commits what was carried."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from certrules.formats.bus_records import BusRecord, of_kafka

READ_AT_ONCE = 100
WAIT_SECONDS = 1.0
ANSWER_SECONDS = 10.0


class KafkaTopics:
    """The records of topics, each until its offset is committed."""

    errors: tuple[type[Exception], ...] = (KafkaException,)

    def __init__(self, servers: str, topics: Sequence[str], group: str, more: Mapping[str, str]) -> None:
        """Read as a member of a group, which begins with the first record; `more` are settings of librdkafka."""
        self._outage: KafkaError | None = None
        self._read: dict[tuple[str, int], tuple[int, int]] = {}  # the first and the last offset of what was read last
        settings: dict[str, Any] = {
            "bootstrap.servers": servers,
            "group.id": group,
            "auto.offset.reset": "earliest",
            "error_cb": self._note,
            **more,
            "enable.auto.commit": False,
            "enable.auto.offset.store": False,
        }
        self._consumer = Consumer(settings)
        self._consumer.subscribe(list(topics))

    def _note(self, error: KafkaError) -> None:
        if error.code() == KafkaError._ALL_BROKERS_DOWN or error.fatal():  # noqa: SLF001
            self._outage = error

    def read(self) -> Sequence[BusRecord]:
        """Return the next records. Raises KafkaException, also where no server answers any more."""
        self._read = {}
        if self._outage is not None:
            self._consumer.list_topics(timeout=ANSWER_SECONDS)  # raises if they still don't answer
            self._outage = None
        found = self._consumer.consume(READ_AT_ONCE, timeout=WAIT_SECONDS)
        for message in found:
            if message.error() is None:
                place, offset = (_known(message.topic()), _known(message.partition())), _known(message.offset())
                first, _ = self._read.get(place, (offset, offset))
                self._read[place] = (first, offset)
        for message in found:
            if (error := message.error()) is not None:
                raise KafkaException(error)
        return [_record(message) for message in found]

    def acknowledge(self) -> None:
        """Commit what was read last. Raises KafkaException; then it comes again."""
        offsets = [TopicPartition(topic, part, last + 1) for (topic, part), (_, last) in self._read.items()]
        self._consumer.commit(offsets=offsets, asynchronous=False)

    def again(self) -> None:
        """Go back to where what was read last began; a partition that another member has by now begins there anyway."""
        for (topic, partition), (first, _) in self._read.items():
            try:
                self._consumer.seek(TopicPartition(topic, partition, first))
            except KafkaException:
                continue
        self._read = {}

    def close(self) -> None:
        """Leave the group."""
        self._consumer.close()


def _record(message: Any) -> BusRecord:
    _, stamp = message.timestamp()
    headers: Callable[[], Any] = message.headers
    place = (message.partition(), message.offset())
    return of_kafka(message.topic(), place, headers() or (), message.value(), stamp)


def _known[T](found: T | None) -> T:
    assert found is not None  # of a message without an error
    return found

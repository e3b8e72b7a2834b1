"""The consumer of the platform's event bus: `manage.py consume_events` reads an SQS queue fed by a rule.

A message is deleted only when all receivers of its event succeeded. Any other comes again, and the queue's redrive
policy moves it to the dead-letter queue when it came too often.
"""

import logging
import random
import signal
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from django.core.exceptions import ImproperlyConfigured
from openedx_events.event_bus import EventBusConsumer
from openedx_events.tooling import prepare_for_new_work_cycle

from openedx_course_certificates.options import SETTING, client, options
from openedx_course_certificates.receiving import ReceivingError, receive
from openedx_course_certificates.sender import sender

logger = logging.getLogger(__name__)

FIRST_PAUSE, LONGEST_PAUSE = 1.0, 60.0
"""Seconds between tries while the queue can't be read; each pause is twice the one before."""


class SqsConsumer(EventBusConsumer):
    """Reads the queue of a topic and sends its events to their receivers. Stops cleanly on SIGTERM and Ctrl-C.

    The queue's address is in the setting `QUEUES`, by topic, or `queue_url` of `--extra`. `group_id` is not used: a
    queue has one group of readers. Several processes may read one queue.
    """

    def __init__(self, topic: str, group_id: str, queue_url: str = "", **_: object) -> None:
        """Raise ImproperlyConfigured if the topic has no queue."""
        del group_id
        self._url = queue_url or options().queues.get(topic, "")
        if not self._url:
            raise ImproperlyConfigured(f"{SETTING}['QUEUES'] has no queue for the topic {topic!r}")
        self._stop = threading.Event()
        self._sqs = client("sqs", read_seconds=options().read_seconds + options().wait_seconds)

    def stop(self) -> None:
        """End after the message that is being received."""
        self._stop.set()

    def consume_indefinitely(self) -> None:
        """Receive messages until the process is asked to end."""
        pause = FIRST_PAUSE
        if options().bus:
            sender().start()  # this process is there for long: it sends what killed ones left behind
        with self._stopped_by_signals():
            while not self._stop.is_set():
                try:
                    self.consume(options().wait_seconds)
                    pause = FIRST_PAUSE
                except (BotoCoreError, ClientError) as error:
                    logger.warning("The queue can't be read, next try in %.0f s: %s: %s", pause, self._url, error)
                    self._stop.wait(pause * random.uniform(0.5, 1))  # noqa: S311 - so that readers don't come at once
                    pause = min(2 * pause, LONGEST_PAUSE)
                except Exception:  # the consumer runs on: the messages are still in the queue
                    logger.exception("Messages could not be received, next try in %.0f s.", pause)
                    self._stop.wait(pause)
                    pause = min(2 * pause, LONGEST_PAUSE)
        logger.info("The consumer of %s has ended.", self._url)

    def consume(self, wait_seconds: int = 0) -> int:
        """Receive up to ten messages, and return how many were there. Raises botocore's errors."""
        answer = self._sqs.receive_message(
            QueueUrl=self._url,
            MaxNumberOfMessages=10,
            WaitTimeSeconds=wait_seconds,
            AttributeNames=["ApproximateReceiveCount"],
        )
        self._note_health()
        messages = answer.get("Messages", [])
        for message in messages:
            if self._stop.is_set():
                self._give_back(message)
            elif self._is_received(message):
                self._sqs.delete_message(QueueUrl=self._url, ReceiptHandle=message["ReceiptHandle"])
        return len(messages)

    def _is_received(self, message: Mapping[str, Any]) -> bool:
        """Give an event to its receivers; whether all of them succeeded."""
        number = message.get("MessageId", "?")
        count = message.get("Attributes", {}).get("ApproximateReceiveCount", "?")
        try:
            prepare_for_new_work_cycle()
            receive(message.get("Body", ""))
        except ReceivingError as error:
            logger.error("Message %s stays in the queue (try %s): %s", number, count, error)  # noqa: TRY400
            return False
        except Exception:  # a receiver may raise anything; the message comes again
            logger.exception("Message %s stays in the queue (try %s).", number, count)
            return False
        return True

    def _give_back(self, message: Mapping[str, Any]) -> None:
        """Let another reader have a message at once."""
        self._sqs.change_message_visibility(
            QueueUrl=self._url, ReceiptHandle=message["ReceiptHandle"], VisibilityTimeout=0
        )

    def _note_health(self) -> None:
        """Write the health file. It is as old as the last answer of the queue."""
        path = options().health_file
        if path:
            try:
                Path(path).write_text(f"{time.time():.0f}\n", encoding="ascii")
            except OSError as error:
                logger.error("The health file can't be written: %s", error)  # noqa: TRY400

    @contextmanager
    def _stopped_by_signals(self) -> Iterator[None]:
        if threading.current_thread() is not threading.main_thread():
            yield  # signals are the main thread's: `stop` ends this one
            return
        before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
        for number in before:
            signal.signal(number, lambda *_: self.stop())
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

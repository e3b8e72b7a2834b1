"""SQS: moto's, with queues whose every operation takes the same time however many messages they hold."""

from __future__ import annotations

import heapq
import uuid
from collections import Counter, deque
from copy import copy
from itertools import count
from typing import Any, cast, override

from moto.core.utils import unix_time_millis
from moto.sqs.exceptions import InvalidParameterValue, ReceiptHandleIsInvalid
from moto.sqs.models import MAXIMUM_MESSAGE_DELAY, Message, Queue, SQSBackend, _filter_message_attributes

LONGEST_INVISIBILITY = 12 * 3600 * 1000  # milliseconds from sending, SQS's own limit


class StandardQueue(Queue):
    """A standard (not FIFO) queue. All times are in milliseconds since 1970.

    A message is either ready or waits in `_later` until its time; `_held` knows them all. An entry in
    either whose message was deleted or got another time is passed over.
    """

    redriven = 0  # messages moved to the dead-letter queue so far

    def __init__(self, name: str, region: str, account_id: str, **kwargs: Any) -> None:
        self._held: dict[str, Message] = {}
        self._ready: deque[Message] = deque()
        self._later: list[tuple[float, int, Message]] = []
        self._handles: dict[str, Message] = {}
        self._order = count()
        super().__init__(name, region, account_id, **kwargs)

    @property  # type: ignore[explicit-override] # moto's is an attribute
    def _messages(self) -> list[Message]:
        return list(self._held.values())

    @_messages.setter
    def _messages(self, messages: list[Message]) -> None:
        """Moto empties a queue by giving it an empty list."""
        for container in (self._held, self._ready, self._later, self._handles):
            container.clear()
        for message in messages:
            self.add_message(message)

    @property
    @override
    def attributes(self) -> dict[str, Any]:
        """The queue's attributes. Its three counts are of one instant: each message is in just one of them."""
        now = unix_time_millis()
        places = Counter(_place(message, now) for message in self._messages)
        return super().attributes | {
            "ApproximateNumberOfMessages": places["ready"],
            "ApproximateNumberOfMessagesDelayed": places["delayed"],
            "ApproximateNumberOfMessagesNotVisible": places["received"],
        }

    @override
    def add_message(self, message: Message) -> None:
        """Add a message; one that is delayed becomes ready in its time."""
        with self._messages_lock:
            self._held[message.id] = message
            self._show_at(message, message.delayed_until, unix_time_millis())
            self._messages_lock.notify_all()

    def take(self, limit: int, visibility_timeout: int, wait_seconds: float) -> list[Message]:
        """Receive up to this many messages, waiting up to that long for the first one.

        What was received too often goes to the dead-letter queue instead, what is too old is dropped.
        """
        deadline = unix_time_millis() + wait_seconds * 1000
        taken: list[Message] = []
        with self._messages_lock:
            while True:
                self._take_ready(taken, limit, visibility_timeout)
                now = unix_time_millis()
                if taken or now >= deadline:
                    return taken
                due = min(deadline, self._later[0][0] if self._later else deadline)
                self._messages_lock.wait(max(0.001, (due - now) / 1000))

    def hide(self, receipt_handle: str, seconds: int) -> None:
        """Make a received message ready again after this many seconds. Raises ReceiptHandleIsInvalid."""
        with self._messages_lock:
            message = self._handles.get(receipt_handle)
            if message is None:
                raise ReceiptHandleIsInvalid
            now = unix_time_millis()
            moment = now + seconds * 1000
            if moment - _sent(message) > LONGEST_INVISIBILITY:
                raise InvalidParameterValue(
                    f"Value {seconds} for parameter VisibilityTimeout is invalid. Reason: Total "
                    "VisibilityTimeout for the message is beyond the limit [43200 seconds]"
                )
            self._show_at(message, moment, now)
            self._messages_lock.notify_all()

    def hurry(self) -> None:
        """Make the messages ready that are delayed."""
        with self._messages_lock:
            for message in self._held.values():
                if message.delayed:
                    message.delayed_until = 0
                    self._show_at(message, 0, 0)

    @override
    def delete_message(self, receipt_handle: str) -> None:
        """Delete a received message; once more is fine. Raises ReceiptHandleIsInvalid."""
        with self._messages_lock:
            message = self._handles.pop(receipt_handle, None)
            if message is not None:
                self._held.pop(message.id, None)
                self.deleted_messages.add(receipt_handle)
            elif receipt_handle not in self.deleted_messages:
                raise ReceiptHandleIsInvalid

    def _show_at(self, message: Message, moment: float, now: float) -> None:
        message.visible_at = moment
        if moment <= now:
            self._ready.append(message)
        else:
            heapq.heappush(self._later, (moment, next(self._order), message))

    def _take_ready(self, taken: list[Message], limit: int, visibility_timeout: int) -> None:
        now = unix_time_millis()
        while self._later and self._later[0][0] <= now:
            moment, _, message = heapq.heappop(self._later)
            if message.visible_at == moment:
                self._ready.append(message)
        oldest = now - self.message_retention_period * 1000  # type: ignore[attr-defined]
        while self._ready and len(taken) < limit:
            message = self._ready.popleft()
            if message.id not in self._held or message.visible_at > now:
                continue
            if _sent(message) < oldest:
                del self._held[message.id]
            elif self._is_spent(message):
                self._redrive(message)
            else:
                self._receive(message, now)
                # Even with no timeout a message isn't received twice in one go.
                self._show_at(message, now + max(1, visibility_timeout * 1000), now)
                taken.append(message)

    def _is_spent(self, message: Message) -> bool:
        limit = self.redrive_policy["maxReceiveCount"] if self.redrive_policy else None
        return limit is not None and message.approximate_receive_count >= limit

    def _redrive(self, message: Message) -> None:
        del self._held[message.id]
        message.delayed_until = 0
        self.redriven += 1
        assert self.dead_letter_queue is not None
        self.dead_letter_queue.add_message(message)

    def _receive(self, message: Message, now: float) -> None:
        message.approximate_receive_count += 1
        message.approximate_first_receive_timestamp = message.approximate_first_receive_timestamp or int(now)
        message.receipt_handle = uuid.uuid4().hex
        self._handles[message.receipt_handle] = message


def _sent(message: Message) -> int:
    """Return when the message was sent; moto notes that as it sends it."""
    return cast("int", message.sent_timestamp)


def _place(message: Message, now: float) -> str:
    """Return where a message is: delayed, received (and not deleted), or ready."""
    if now < message.delayed_until:
        return "delayed"
    return "ready" if now > message.visible_at else "received"


class LocalSqs(SQSBackend):
    """The SQS backend; FIFO queues are moto's own."""

    __module__ = SQSBackend.__module__  # beside it, moto looks for the service's addresses

    @override
    def create_queue(self, name: str, tags: dict[str, str] | None = None, **kwargs: Any) -> Queue:
        """Create the queue, or return the one with this name and the same attributes."""
        queue = super().create_queue(name, tags, **kwargs)
        if queue.fifo_queue or isinstance(queue, StandardQueue):
            return queue
        kwargs.pop("region", None)
        standard = StandardQueue(  # type: ignore[abstract] # so are all of moto's resources
            name, self.region_name, self.account_id, **kwargs
        )
        self.queues[name] = standard
        standard.tags = tags or {}
        return standard

    @override
    def send_message(
        self,
        queue_name: str,
        message_body: str,
        message_attributes: dict[str, Any] | None = None,
        delay_seconds: int | None = None,
        deduplication_id: str | None = None,
        group_id: str | None = None,
        system_attributes: dict[str, Any] | None = None,
        validate_group_id: bool = True,
    ) -> Message:
        """Send a message. Moto would count all messages of the queue for each."""
        queue = self.get_queue(queue_name)
        if not isinstance(queue, StandardQueue):
            return super().send_message(
                queue_name,
                message_body,
                message_attributes,
                delay_seconds,
                deduplication_id,
                group_id,
                system_attributes,
                validate_group_id,
            )
        delay = int(queue.delay_seconds if delay_seconds is None else delay_seconds)  # type: ignore[attr-defined]
        self._validate_message(queue, message_body, delay, deduplication_id, group_id)
        if not 0 <= delay <= MAXIMUM_MESSAGE_DELAY:
            raise InvalidParameterValue(
                f"Value {delay} for parameter DelaySeconds is invalid. Reason: DelaySeconds must be >= 0 and <= 900."
            )
        message = Message(str(uuid.uuid4()), message_body, system_attributes)
        message.message_attributes = message_attributes or {}
        message.group_id = group_id
        message.mark_sent(delay)
        queue.add_message(message)
        return message

    @override
    def receive_message(
        self,
        queue_name: str,
        count: int,
        wait_seconds_timeout: int,
        visibility_timeout: int,
        message_attribute_names: list[str] | None = None,
    ) -> list[Message]:
        """Receive messages. Moto would look at all messages of the queue."""
        queue = self.get_queue(queue_name)
        if not isinstance(queue, StandardQueue):
            return super().receive_message(
                queue_name, count, wait_seconds_timeout, visibility_timeout, message_attribute_names
            )
        received = [copy(m) for m in queue.take(count, visibility_timeout, wait_seconds_timeout)]
        for message in received:
            _filter_message_attributes(message, message_attribute_names or [])
        return received

    @override
    def change_message_visibility(self, queue_name: str, receipt_handle: str, visibility_timeout: int) -> None:
        """Hide a received message for so many seconds from now."""
        queue = self.get_queue(queue_name)
        if isinstance(queue, StandardQueue):
            queue.hide(receipt_handle, int(visibility_timeout))
        else:
            super().change_message_visibility(queue_name, receipt_handle, visibility_timeout)

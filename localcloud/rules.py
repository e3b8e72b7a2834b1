"""EventBridge rules: moto's, but a target's dead-letter queue gets what the target doesn't take."""

from __future__ import annotations

import json
from collections import Counter
from copy import copy
from datetime import UTC, datetime
from functools import cached_property
from time import time
from typing import Any, cast, override
from uuid import uuid4

from moto.core.exceptions import ServiceException
from moto.events.models import Archive, EventBus, EventPattern, Replay, ReplayState, Rule, events_backends
from moto.sqs.models import sqs_backends
from moto.stepfunctions.parser.models import stepfunctions_parser_backends

ARCHIVING = "Events-Archive-"  # how the name of an archive's rule begins
MINUTE = 60


class LocalReplay(Replay):
    """A replay of an archive: of the events of its window only, to the rules it names, minute by minute.

    As in the cloud, nothing can be relied on within a minute: there, the last comes first.
    """

    @override
    def replay_events(self, archive: Archive) -> None:
        """Send the events again, with their own times."""
        bus = events_backends[self.account_id][self.region].describe_event_bus(archive.event_bus_name)
        rules = self.destination.get("FilterArns") or [rule.arn for rule in bus.rules.values()]
        window = float(self.event_start_time), float(self.event_end_time)
        events = [event for event in reversed(archive.events) if window[0] <= float(event["time"]) < window[1]]
        for event in sorted(events, key=lambda event: float(event["time"]) // MINUTE):
            for rule in [rule for rule in bus.rules.values() if rule.arn in rules]:
                rule.send_to_targets(cast("Any", event) | {"id": str(uuid4()), "replay-name": self.name})
        self.state = ReplayState.COMPLETED
        self.end_time = time()


class LocalBus(EventBus):
    """A bus that `Ref` gives the name of; moto's has nothing to give."""

    @property
    def physical_resource_id(self) -> str:
        """The bus's name."""
        return str(self.name)


class LocalRule(Rule):
    """A rule of a bus. Schedules are fired by LocalCloud.run_schedules, not here."""

    @cached_property
    def counted(self) -> Counter[tuple[str, int]]:
        """What CloudWatch counts of it, by the name of the metric and the minute (since 1970)."""
        return Counter()

    def _count(self, name: str) -> None:
        self.counted[name, int(time() // MINUTE)] += 1

    @override
    def send_to_targets(self, original_event: Any, transform_input: bool = True) -> None:
        """Send the event to every target of this rule, if it is enabled and its pattern matches."""
        if self.state == "DISABLED" or not _matches(self.event_pattern, original_event):
            return
        for target in self.targets:
            service = target["Arn"].split(":")[2]
            self._count("Invocations")
            if service == "sqs":
                self._send_to_queue(target, original_event)
            elif service == "states":
                *_, region, account, _, _ = target["Arn"].split(":")
                machines = stepfunctions_parser_backends[account][region]
                machines.start_execution(target["Arn"], execution_input=_as_sent(original_event))
            elif self.managed_by:  # the rule of an archive
                *_, region, account, _ = self.arn.split(":")
                archives = events_backends[account][region].archives
                archives[self.name.removeprefix(ARCHIVING)].events.append(original_event)
            else:
                alone = copy(self)
                alone.targets = [target]
                super(LocalRule, alone).send_to_targets(original_event, transform_input)

    def _send_to_queue(self, target: dict[str, Any], event: dict[str, Any]) -> None:
        body = _as_sent(event)
        try:
            self._send(target["Arn"], body, group_id=target.get("SqsParameters", {}).get("MessageGroupId"))
        except ServiceException as error:
            self._count("FailedInvocations")
            if "DeadLetterConfig" not in target:
                return  # EventBridge drops it, too
            reasons = {
                "RULE_ARN": self.arn,
                "TARGET_ARN": target["Arn"],
                "ERROR_CODE": error.code,
                "ERROR_MESSAGE": error.message,
            }
            attributes = {name: {"DataType": "String", "StringValue": value} for name, value in reasons.items()}
            self._send(target["DeadLetterConfig"]["Arn"], body, message_attributes=attributes)
            self._count("InvocationsSentToDlq")

    def _send(self, queue_arn: str, body: str, **kwargs: Any) -> None:
        *_, region, account, queue = queue_arn.split(":")
        sqs_backends[account][region].send_message(queue, body, **kwargs)


def _matches(event_pattern: EventPattern, event: dict[str, Any]) -> bool:
    """Whether the event fits. The event is plain JSON already: moto would dump and load it again."""
    pattern = event_pattern.get_pattern()
    return not pattern or event_pattern._does_event_match(EventPattern._flatten_dict(event), pattern)  # noqa: SLF001


def _as_sent(event: dict[str, Any]) -> str:
    """Return the event as targets get it."""
    return json.dumps({name: event[name] for name in event if name != "ingestion-time"} | _time(event))


def _time(event: dict[str, Any]) -> dict[str, str]:
    """Return the event's time (seconds since 1970) as EventBridge writes it, in UTC."""
    return {"time": datetime.fromtimestamp(float(event["time"]), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")}

"""Batches of ten messages for `ingest`, with DynamoDB's answers, and the requests of the function."""

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from datetime import timedelta
from random import Random
from typing import Any
from uuid import UUID

from bench.learners import COURSE_RUNS, ENDS, STARTS
from bench.wire import Request, Tables, Wire
from certs.sources import event_builders
from certs.sources.event_builders import Detail

CERTIFICATES, HISTORY = "certificates", "history"
BATCH = 10
BATCHES = 8
CASES = ("a fact, no certificate changes", "a certificate is issued", "known already")

ENVIRONMENT: Mapping[str, str] = {
    "AWS_ACCESS_KEY_ID": "bench",
    "AWS_SECRET_ACCESS_KEY": "bench",
    "AWS_DEFAULT_REGION": "eu-west-1",
    "AWS_REGION": "eu-west-1",
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    "AWS_LAMBDA_FUNCTION_NAME": "ingest",
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "1024",
    "AWS_RETRY_MODE": "standard",
    "AWS_MAX_ATTEMPTS": "3",
    "CERTIFICATES_TABLE": CERTIFICATES,
    "HISTORY_TABLE": HISTORY,
    "INGEST_QUEUE_URL": "https://sqs.eu-west-1.amazonaws.com/123456789012/ingest",
    "PARKED_QUEUE_URL": "https://sqs.eu-west-1.amazonaws.com/123456789012/parked",
    "REDECIDE_QUEUE_URL": "https://sqs.eu-west-1.amazonaws.com/123456789012/redecide",
    "PLATFORM_ACCOUNTS": "123456789012",
    "PLATFORM_SOURCES": "openedx/*",
    "ACTING_SOURCES": "openedx/lms/web",
    "POLICY": "edx-2021",
    "POWERTOOLS_SERVICE_NAME": "course-certificates",
    "POWERTOOLS_METRICS_NAMESPACE": "CourseCertificates",
}
"""As in the template."""


@dataclass(frozen=True, slots=True)
class Context:
    """What Lambda passes as `context`, as far as it is looked at."""

    function_name: str = "ingest"
    memory_limit_in_mb: str = "1024"
    invoked_function_arn: str = "arn:aws:lambda:eu-west-1:123456789012:function:ingest"
    aws_request_id: str = "5a8f1f0e-0f0e-4f0e-8f0e-0f0e0f0e0f0e"


@dataclass(frozen=True, slots=True)
class Batch:
    """Ten messages, about as many learners."""

    event: dict[str, Any]
    answer: bytes  # to the one read request
    requests: list[Request]  # the requests of the function, the read request first
    before: list[dict[str, Any]]  # the items that are there

    def respond(self, operation: str, _body: bytes) -> bytes:
        """Answer as the tables would."""
        return self.answer if operation == "BatchGetItem" else b"{}"


@contextmanager
def unseen_output() -> Iterator[None]:
    """Let functions print their metrics, to where nobody reads them."""
    with open(os.devnull, "w") as nowhere, redirect_stdout(nowhere):  # noqa: PTH123 - a device
        yield


class Ingest:
    """The function's real handler, in this process."""

    def __init__(self, wire: Wire, endpoint: str | None = None) -> None:
        """Import it as Lambda would. `endpoint` is where DynamoDB is when the wire lets requests through."""
        os.environ.update(ENVIRONMENT)
        if endpoint:
            os.environ["AWS_ENDPOINT_URL_DYNAMODB"] = endpoint
        from functions.ingest import app  # noqa: PLC0415 - it reads the environment when it is imported

        self._handler = app.handler
        self._context = Context()
        self._wire = wire

    def __call__(self, event: dict[str, Any]) -> None:
        """Ingest one batch. Raises RuntimeError if a message would be retried."""
        answer: Any = self._handler(event, self._context)
        if answer["batchItemFailures"]:
            raise RuntimeError(f"not taken in: {answer}")

    def batches(self) -> dict[str, list[Batch]]:
        """Return batches of each case, about the same learners: of each something is known, none has passed."""
        tables = Tables()
        self._wire.answer = tables.answer
        chance = Random(7)
        learners = [Learner(chance, number) for number in range(1, BATCH * BATCHES + 1)]
        stories = [learner.story() for learner in learners]
        with unseen_output():
            self(sqs_event([configured(chance, course_run) for course_run in COURSE_RUNS]))
            for details in stories:
                self(sqs_event(details))
            tables.saving = False
            sent = {
                CASES[0]: [learner.graded() for learner in learners],
                CASES[1]: [learner.passed() for learner in learners],
                CASES[2]: [story[-1] for story in stories],
            }
            return {
                case: [self._batch(tables, details[start : start + BATCH]) for start in range(0, len(details), BATCH)]
                for case, details in sent.items()
            }

    def _batch(self, tables: Tables, details: list[Detail]) -> Batch:
        event = sqs_event(details)
        tables.sent.clear()
        self(event)
        read = tables.sent[0][1]
        answer = tables.answer("BatchGetItem", json.dumps(read).encode())
        before = list(tables.found(CERTIFICATES, read["RequestItems"][CERTIFICATES]["Keys"]))
        return Batch(event, answer, tables.sent[:-1], before)


class Learner:
    """One learner, and the platform's events about them."""

    def __init__(self, chance: Random, learner_id: int) -> None:
        """Start a story in a course run that chance picks."""
        self._chance = chance
        self._about = (learner_id, chance.choice(COURSE_RUNS))
        self._at = STARTS

    def _stamp(self) -> tuple[UUID, Any]:
        self._at += timedelta(seconds=self._chance.randrange(3600, 6 * 86400))
        return UUID(int=self._chance.getrandbits(128), version=4), self._at

    def begun(self) -> list[Detail]:
        """Return the events of enrolling and of an ID verification."""
        enrolled = *self._stamp(), *self._about
        approved = *self._stamp(), self._about[0]
        return [
            event_builders.enrollment("course.enrollment.created", *enrolled, mode="verified"),
            event_builders.idv_attempt(
                "idv_attempt.approved", *approved, attempt_id=self._about[0], expires=ENDS + timedelta(days=700)
            ),
        ]

    def story(self) -> list[Detail]:
        """Return the stored entries: enrolled, ID-verified, some graded work, not yet passing."""
        return [
            *self.begun(),
            *(self.graded() for _ in range(self._chance.randrange(2, 8))),
            self._passing(is_passing=False),
            self.graded(),
        ]

    def graded(self) -> Detail:
        """Return the event of a percent."""
        data = *self._stamp(), *self._about
        return event_builders.grade_summary(
            "course.persistent_grade_summary.changed", *data, percent=self._chance.randrange(60) / 100, letter=""
        )

    def passed(self) -> Detail:
        """Return the event of passing."""
        return self._passing(is_passing=True)

    def _passing(self, *, is_passing: bool) -> Detail:
        data = *self._stamp(), *self._about
        return event_builders.passing_status("course.passing.status.updated", *data, is_passing=is_passing)


def configured(chance: Random, course_run: str) -> Detail:
    """Return the event of a course run's settings."""
    sent = UUID(int=chance.getrandbits(128), version=4), STARTS, course_run
    return event_builders.configuration("course_run.configured", *sent, web_certificates_enabled=True, end=ENDS)


def sqs_event(details: Sequence[Detail]) -> dict[str, Any]:
    """Return the batch of messages that Lambda gives to a function."""
    bodies = [json.dumps(event_builders.envelope(detail)) for detail in details]
    return {"Records": [{"messageId": f"m{n}", "body": body} for n, body in enumerate(bodies)]}

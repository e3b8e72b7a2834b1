"""Requests that our own OpenAPI document allows and forbids, to the real support handler on the local cloud.

A finding is an AssertionError: an answer from 500 on, one that the document doesn't have, or an accepted act that the
ingest function then refuses.
"""

from collections.abc import MutableMapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import schemathesis
from hypothesis import given, settings
from hypothesis import strategies as st
from requests import Request
from schemathesis import Case, GenerationMode
from schemathesis.core.result import Ok
from schemathesis.schemas import APIOperation

from localcloud.http_api import HttpResponse
from tests.scenes.bulk_runs import revocable
from tests.scenes.scene import Learner, Scene, day
from tests.scenes.support_client import Client, Reported, about, document, documented, reported

FIRST, LAST = datetime(1970, 1, 2), datetime(2199, 12, 30)  # noqa: DTZ001 - hypothesis adds the time zone
INSTANTS = st.datetimes(FIRST, LAST, timezones=st.just(UTC))
schemathesis.openapi.format("date-time", INSTANTS.map(datetime.isoformat))

type AnyCase = Case[Any]
type Operation = APIOperation[Any, Any, Any, Any]

OPERATIONS: list[Operation] = [
    found.ok() for found in schemathesis.openapi.from_dict(document()).get_all_operations() if isinstance(found, Ok)
]
MODES = tuple(GenerationMode)
LEARNER = Learner(7001, "course-v1:CertX+FUZZ+2026")
OTHER_LEARNER = Learner(7100, "course-v1:CertX+FUZZ+2027")
LAST_STEPS = ("IngestDeadLetters", "ParkedQueue", "RedecideDeadLetters", "PublishDeadLetters")


@dataclass(slots=True)
class FuzzedApi:
    """The API, and the names of what is known there. Counts the requests."""

    scene: Scene
    known: dict[str, Any]
    requests: int = 0
    accepted: int = 0

    @classmethod
    def on(cls, scene: Scene) -> "FuzzedApi":
        """Set up a learner whose revocation is pending, a bulk revocation and a bulk run that wait for approval."""
        scene.ingest(*LEARNER.qualifying())
        scene.ingest(LEARNER.failing(day(5)))
        bob = Client(scene, "bob")
        certificate = scene.certificate(LEARNER)
        assert certificate is not None
        revocation = bob.post(
            "/v1/revocations",
            act="invalidate",
            course_run=LEARNER.course_run,
            learners=[LEARNER.learner_id],
            reason="void",
        ).body
        revocable(scene, OTHER_LEARNER)
        run = bob.post("/v1/regenerations", course_runs=[OTHER_LEARNER.course_run], reason="new policy").body
        plan = None
        for _ in range(100):  # on a machine under load, a delivery may end before the plan is made
            scene.cloud.deliver()
            if plan := bob.get(f"/v1/regenerations/{run['id']}").body["plan"]:
                break
        assert plan is not None, "the bulk run has no plan"
        names = {"certificate_id": certificate.certificate_id, "revocation_id": revocation["id"], "run_id": run["id"]}
        lists = {"learners": [LEARNER.learner_id], "course_runs": [LEARNER.course_run], "hash": plan["hash"]}
        return cls(scene, about(LEARNER) | names | lists)

    def fuzz(self, operation: Operation, mode: GenerationMode, examples: int) -> None:
        """Send so many requests of an operation. Raises AssertionError for a finding."""

        @settings(max_examples=examples)
        @given(case=operation.as_strategy(mode), known=st.booleans())
        def answers(case: AnyCase, known: bool) -> None:
            self.send(operation, self.named(case) if known else case)

        answers()

    def named(self, case: AnyCase) -> AnyCase:
        """Return a request in which what can be known is known."""
        known = self.known | {"idempotency-key": f"key-{self.requests:09}"}
        for part in (case.query, case.path_parameters, case.headers, case.body):
            if isinstance(part, MutableMapping):
                part.update({name: value for name, value in known.items() if name in part})
        return case

    def send(self, operation: Operation, case: AnyCase) -> Reported:
        """Send a request, have what it caused take effect, and return the answer."""
        self.requests += 1
        answer = reported(self._ask(case))
        assert answer.status < 500, (answer, case.as_curl_command())
        documented(operation.method, operation.path, answer)
        if operation.method == "post" and answer.status < 400:
            self.accepted += 1
            self.scene.cloud.deliver()
            refused = {queue: self.scene.queued(queue) for queue in LAST_STEPS}
            assert not any(refused.values()), (refused, case.as_curl_command())
        self.scene.empty_queues()
        return answer

    def _ask(self, case: AnyCase) -> HttpResponse:
        scopes = [f"certificates/{scope}" for scope in ("view", "act", "revoke", "approve")]
        api = self.scene.cloud.api
        request: Any = Request(**case.as_transport_kwargs(base_url="http://localhost")).prepare()
        headers = {name: str(value) for name, value in request.headers.items()}
        headers["Authorization"] = f"Bearer {api.token('ada', scopes)}"
        body = request.body or b""
        content: bytes = body.encode() if isinstance(body, str) else body
        return api.request(request.method, request.path_url, headers, content)

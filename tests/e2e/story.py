"""What is done with the deployed stack, chapter by chapter, and what has to come of it."""

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

from certs import stacks
from certs.reconcile import FOUND
from certs.support.api import NOT_ALLOWED
from certs.support.regenerations import WAITS
from tests.e2e.chapters import expect, note, wait_for
from tests.e2e.localstack import ENDPOINT_IN_CONTAINERS
from tests.e2e.stack import Consumer, DeployedStack, HistoryStream, SupportApi, client
from tests.scenes.bulk_runs import outcome
from tests.scenes.platform_tables import Tables
from tests.scenes.scene import Learner, as_time

COURSE_RUN = "course-v1:DemoX+E2E101+2026_T1"
PASSING = [Learner(number, COURSE_RUN) for number in range(1, 6)]
AUDITING, FAILING = Learner(6, COURSE_RUN), Learner(7, COURSE_RUN)
FALLEN, FALLEN_LATER = PASSING[:3], PASSING[3]
"""Whose grades fall after their certificates were issued."""

IMPORTED = range(101, 121)
UNREADABLE = Path(__file__).parents[2] / "events" / "parked" / "unknown-type.json"
BEGIN = datetime.now(UTC).replace(microsecond=0) - timedelta(days=20)

OF_CERTIFICATES = "org.openedx.learning.certificate."
CREATED, CHANGED, REVOKED = (f"{OF_CERTIFICATES}{what}.v1" for what in ("created", "changed", "revoked"))
REGENERATED, RECONCILED = "certificates.regeneration.finished.v1", "certificates.reconciliation.finished.v1"
DEAD_LETTERS = ("IngestDeadLetters", "RedecideDeadLetters", "PublishDeadLetters")


def day(number: int) -> datetime:
    """Return an instant (UTC), so many days after the story's begin; all are past."""
    return BEGIN + timedelta(days=number)


@dataclass
class Story:
    """The stack, and what was published and should have been until now."""

    stack: DeployedStack
    api: SupportApi
    stream: HistoryStream
    consumer: Consumer
    published: Counter[str] = field(default_factory=Counter)  # by type of event
    expected: Counter[str] = field(default_factory=Counter)

    # --- parameters

    def validate(self) -> None:
        """Ask the deployment function about the parameters, as CloudFormation asks it."""
        function = self.stack.physical("IngestFunction")
        variables = client("lambda").get_function_configuration(FunctionName=function)["Environment"]["Variables"]
        expect("these parameters", self._answer(variables)["Status"], "SUCCESS")
        refused = self._answer({**variables, "POLICY": "edx-2012"})
        expect("a policy that there is not", refused["Status"], "FAILED")
        note(refused["Reason"])

    def _answer(self, variables: dict[str, str]) -> dict[str, str]:
        """Return the answer, which the function puts at a signed address of S3."""
        s3, place = client("s3"), {"Bucket": self.stack.outputs["BulkBucketName"], "Key": f"e2e/{uuid4()}"}
        address = s3.generate_presigned_url("put_object", Params=place)
        event = {
            "RequestType": "Create",
            "ResponseURL": address.replace(s3.meta.endpoint_url, ENDPOINT_IN_CONTAINERS),
            "StackId": f"arn:aws:cloudformation:eu-west-1:000000000000:stack/{self.stack.name}/1",
            "RequestId": str(uuid4()),
            "ResourceType": "Custom::ValidParameters",
            "LogicalResourceId": "ValidParameters",
            "ResourceProperties": {"Variables": variables},
        }
        self.stack.invoke("DeploymentFunction", event)
        answer: dict[str, str] = json.load(s3.get_object(**place)["Body"])
        return answer

    # --- events

    def events(self) -> None:
        """Send events of seven learners, and then their course run, which has all of them decided again."""
        for learner in [*PASSING, AUDITING, FAILING]:
            mode = "audit" if learner == AUDITING else "verified"
            passing = learner.failing if learner == FAILING else learner.passing
            self.stack.send(learner.enrolled(day(0), mode), learner.id_approved(day(1)), passing(day(2)))
        self.stack.send(json.loads(UNREADABLE.read_text())["detail"])
        wait_for("learners", lambda: self.api.certs("learners", COURSE_RUN)["learners"], list(range(1, 8)))
        wait_for("parked, since its type is unknown", lambda: self.stack.waiting_in("ParkedQueue"), 1)
        self.stack.send(PASSING[0].configured(day(3)))
        self._publishes({CREATED: 5, CHANGED: 5})
        for learner, status, reasons in (
            (PASSING[0], "downloadable", []),
            (AUDITING, None, ["mode_not_eligible"]),
            (FAILING, None, ["not_passed"]),
        ):
            case = self.api.certs("explain", learner.learner_id, COURSE_RUN)
            unmet = [verdict["code"] for verdict in case["verdicts"] if verdict["verdict"] == "unmet"]
            expect(f"certs explain {learner.learner_id}", (case["status"], unmet), (status, reasons))

    def _fall(self, *learners: Learner) -> None:
        """Have grades fall, so long ago that the hold of each revocation has run out, and nothing noticed."""
        self.stack.send(*(learner.failing(day(5)) for learner in learners))
        wait_for("revocations held", lambda: self._held(learners), [learner.learner_id for learner in learners])
        self._publishes({})

    def _held(self, learners: Iterable[Learner]) -> list[int]:
        as_of = ("--as-of", day(5).isoformat())
        cases = (self.api.certs("explain", learner.learner_id, COURSE_RUN, *as_of) for learner in learners)
        return [case["learner_id"] for case in cases if case["pending"] is not None]

    # --- state machines

    def bulk_run(self) -> None:
        """Plan, approve and apply a bulk run, which finds holds that have run out."""
        self._fall(*FALLEN)
        why = ("--concurrency", 2, "--reason", "The sweep was switched off.", "--key", uuid4())
        begun = self.api.certs("regenerate", "start", COURSE_RUN, *why)
        plan = self.api.certs("regenerate", "watch", begun["id"], exit_code=WAITS)["plan"]
        expect("planned", plan["by_status"], {"downloadable > notpassing": len(FALLEN)})
        approve = ("regenerate", "approve", begun["id"], "--hash", plan["hash"])
        self.api.certs(*approve, exit_code=NOT_ALLOWED)
        expect("to be approved by", plan["approvers"], "somebody else than who asked")
        self.api.certs(*approve, by="bob")
        done = self.api.certs("regenerate", "watch", begun["id"])
        expect("state", done["state"], "done")
        expect("outcome", done["report"]["outcome"], outcome(applied=len(FALLEN)))
        note("of the three records in the stream, one is lost on purpose")
        self._publishes({REVOKED: 2, CHANGED: 2, REGENERATED: 1}, lost=1)

    def sweep(self) -> None:
        """Sweep as the schedule does, when another hold has run out."""
        self._fall(FALLEN_LATER)
        self.stack.invoke("SweepFunction", {"time": as_time(datetime.now(UTC))})
        self._publishes({REVOKED: 1, CHANGED: 1})

    def import_(self, folder: Path) -> None:
        """Import the tables of a course run in which the old logic issued certificates."""
        tables = Tables(folder).add("course_overviews_courseoverview")
        for learner in IMPORTED:
            tables.add("student_courseenrollment", id=learner, user_id=learner)
            tables.add("grades_persistentcoursegrade", id=learner, user_id=learner)
            tables.add("verify_student_softwaresecurephotoverification", id=learner, user_id=learner)
            tables.add("certificates_generatedcertificate", id=learner, user_id=learner, verify_uuid=f"{learner:032x}")
        tables.read()
        report = self.api.certs("import", tables.folder, "--yes", "--at-once", 2, "--rejects", folder / "rejects.jsonl")
        expect("imported", report["statuses"], {"downloadable": len(IMPORTED)})
        left = {name: report[name] for name in ("failed", "missing", "refused") if report[name]}
        expect("not imported", left, {})
        found = self.api.certs("find", f"{IMPORTED[0]:032x}")
        expect("who has the first certificate", [hit["learner_id"] for hit in found["hits"]], [IMPORTED[0]])
        note("the course run begins in shadow, so nothing new is published")
        self._publishes({})

    def reconcile(self) -> None:
        """Reconcile twice: what was lost is published, and then nothing differs."""
        request = json.dumps({"segments": 1, "settle_seconds": 0})
        for healed, exit_code in (({"unpublished": 1}, FOUND), ({}, 0)):
            begun = client("stepfunctions").start_execution(
                stateMachineArn=self.stack.outputs["ReconcileMachineArn"], input=request
            )
            ended = stacks.ended(client("stepfunctions"), begun["executionArn"])
            expect("state", ended["status"], "SUCCEEDED")
            report = self.api.certs("reconcile", exit_code=exit_code)
            note(f"compared: {report['seen']}")
            findings = {code: count for code, count in (report["healed"] | report["reported"]).items() if count}
            expect("findings", findings, healed)
        self._publishes({REVOKED: 1, CHANGED: 1, RECONCILED: 2})

    def end(self) -> None:
        """Look for what went wrong on the way."""
        expect("parked", self.stack.waiting_in("ParkedQueue"), 1)
        for queue in DEAD_LETTERS:
            expect(queue, self.stack.waiting_in(queue), 0)

    # --- what is published

    def _publishes(self, more: dict[str, int], *, lost: int = 0) -> None:
        """Bring the stream's records to `publish`, all but the `lost` first, and wait for what its consumer gets."""
        self.expected.update(more)
        self.stream.publish(lost=lost)
        wait_for("published until now", self._published, _shortly(self.expected))

    def _published(self) -> dict[str, int]:
        self.stream.publish()
        self.published.update(event["detail-type"] for event in self.consumer.take())
        return _shortly(self.published)


def _shortly(counts: Counter[str]) -> dict[str, int]:
    """Return counts of events with the part of their types that differs, in order."""
    return {name.removeprefix(OF_CERTIFICATES).removesuffix(".v1"): counts[name] for name in sorted(counts)}

"""What the function reports: each metric of records that an alarm or the dashboard looks at is one that it emits."""

import re
import time
from collections import Counter
from datetime import timedelta
from typing import Any

import pytest

from certrules import aws
from certrules.storage.learner_records import load_learner
from tests.records.cloud import COURSES, cloud_scene, defined, earn, pass_is_due, send
from tests.records.faults import Fault
from tests.records.scene import A1, ADA, B1
from tests.records.service import Host
from tests.scenes.expanded_stack import stack
from tests.scenes.scene import Learner, Scene, day
from tests.scenes.template_expansion import Json, of_type

__all__ = ["cloud_scene", "stack"]

pytestmark = pytest.mark.filterwarnings("ignore:No application metrics to publish")


def reported(scene: Scene) -> Counter[str]:
    """Return the sum of each metric that the stack has in CloudWatch."""
    client = scene.cloud.client("cloudwatch")
    listed = client.list_metrics(Namespace="CourseCertificates")["Metrics"]
    found: Counter[str] = Counter()
    for name in {metric["MetricName"] for metric in listed}:
        answer = client.get_metric_statistics(
            Namespace="CourseCertificates",
            MetricName=name,
            Dimensions=[{"Name": "service", "Value": "course-certificates"}],
            StartTime=aws.now() - timedelta(hours=1),
            EndTime=aws.now() + timedelta(hours=1),
            Period=7200,
            Statistics=["Sum"],
        )
        found[name] = sum(point["Sum"] for point in answer["Datapoints"])
    return found


def minute(scene: Scene) -> None:
    """Run the schedule, and have its metrics be stored."""
    scene.cloud.run_schedules()
    assert scene.cloud.deliver().errors == []


def watched(stack: Json) -> set[str]:
    """Return the metrics of records, of this service's own, that alarms and the dashboard look at."""
    alarms = of_type(stack, "AWS::CloudWatch::Alarm")
    own: Any = [alarm for name, alarm in alarms.items() if name.startswith("Records")]
    names = {alarm["MetricName"] for alarm in own if alarm.get("Namespace") == "CourseCertificates"}
    rows = of_type(stack, "AWS::CloudWatch::Dashboard")["Dashboard"]["DashboardBody"]["Fn::Sub"][1]["RecordsRows"]
    text = rows["Fn::If"][1]["Fn::Sub"]
    for row in re.findall(r'\["CourseCertificates".*?\]\]', text, re.DOTALL):
        names |= set(re.findall(r'\["(?:CourseCertificates|\.)", "(\w+)", (?:"service"|"\.")', row))
    return names - {"ApproximateAgeOfOldestMessage", "Errors", "Throttles"}


def test_what_alarms_and_the_dashboard_look_at_is_emitted(cloud_scene: Scene, host: Host, stack: Json) -> None:
    host.service.platform.is_superuser = True  # it sees what the service lost
    send(cloud_scene, defined(day(1), COURSES))
    earn(cloud_scene, A1, B1, "course-v1:DemoX+NotInTheCatalog+2026")
    minute(cloud_scene)
    well = reported(cloud_scene)
    assert (well["RecordsBreakerOpen"], well["RecordsDiffering"], well["RecordsFailed"]) == (0, 0, 0)
    assert (well["ProgramsAwarded"], well["ProgramEvents"]) == (1, 1)
    assert well["DeliveriesRefused"] > 0

    host.service.state.forget("ada", B1)
    pass_is_due()
    findings = reported(cloud_scene)["ReconciliationFindings"]
    minute(cloud_scene)
    differing = reported(cloud_scene)
    assert differing["RecordsDiffering"] == 1
    assert differing["ReconciliationFindings"] == findings + 1

    host.service.misbehaviour.choose = lambda _path: Fault.THROTTLED  # which opens the breaker at once
    send(cloud_scene, Learner(ADA, A1).invalidated(aws.now()))
    (program,) = load_learner(ADA).programs.values()
    assert program.next_change_at is not None
    while aws.now() <= program.next_change_at:
        time.sleep(0.1)  # the program's hold is some seconds of real time
    minute(cloud_scene)
    down = reported(cloud_scene)
    assert down["RecordsBreakerOpen"] > 0
    assert down["OldestDeliverySeconds"] > differing["OldestDeliverySeconds"]
    assert down["ProgramsRevoked"] == 1
    assert watched(stack) >= {"OldestDeliverySeconds", "RecordsBreakerOpen", "RecordsDiffering", "DeliverySeconds"}
    assert watched(stack) - down.keys() == set()

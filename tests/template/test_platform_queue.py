"""The template of the platform's queue: what its rule lets through, and what its role may do."""

from typing import Any

from certrules.formats.events_out import CHANGED, CREATED, REVOKED
from certrules.formats.messages import OWN_SOURCE, SUPPORT_SOURCE
from localcloud.template import read_yaml
from tests.scenes.scene import TEMPLATE
from tests.scenes.template_expansion import findings

QUEUE: Any = read_yaml((TEMPLATE.parent / "plugin/aws/platform-queue.yaml").read_text())


def test_cfn_lint_finds_nothing() -> None:
    assert findings(QUEUE) == []


def test_the_platform_gets_the_certificates_of_this_service_and_the_rollout_of_course_runs() -> None:
    pattern = QUEUE["Resources"]["Rule"]["Properties"]["EventPattern"]
    assert pattern["source"] == [OWN_SOURCE, SUPPORT_SOURCE]
    assert pattern["detail-type"] == [CREATED, CHANGED, REVOKED, "certificates.course_run.configured.v1"]


def test_the_platforms_role_may_put_events_and_read_the_queue_and_no_more() -> None:
    statements = QUEUE["Resources"]["PlatformPolicy"]["Properties"]["PolicyDocument"]["Statement"]
    allowed = [statement["Action"] for statement in statements if statement["Effect"] == "Allow"]
    assert allowed == ["events:PutEvents", ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:ChangeMessageVisibility"]]

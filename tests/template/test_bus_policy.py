"""Who may put what on the bus: every principal, with every source, for every type of event."""

import re
from functools import cache
from itertools import product
from typing import Any

import botocore.session
import pytest
from botocore.exceptions import ClientError

from certrules.formats.event_types import EVENT_TYPES
from certrules.formats.events_out import CHANGED, PROGRAM_AWARDED, PROGRAM_REVOKED
from certrules.formats.refusals import Reason
from certs.debug.watch import KAFKA_PARAMETERS
from certs.run import LOCAL_PARAMETERS
from localcloud import LocalCloud
from tests.scenes.scene import TEMPLATE
from tests.scenes.template_expansion import Json, of_type

NAMED = {
    **LOCAL_PARAMETERS,
    "PlatformRoles": "arn:aws:iam::123456789012:role/lms-*,arn:aws:iam::210987654321:role/lms",
    "PlatformAccounts": "210987654321",
}
BRIDGED = {**NAMED, **KAFKA_PARAMETERS}
RECORDED = {
    **NAMED,
    "CredentialsUrl": "https://credentials.example.org",
    "CredentialsTokenUrl": "https://lms.example.org",
    "CredentialsSecret": "arn:aws:secretsmanager:eu-west-1:123456789012:secret:credentials",
}
PROGRAM_EVENTS = (PROGRAM_AWARDED, PROGRAM_REVOKED)
LMS, MARKETING = "arn:aws:iam::123456789012:role/lms-worker", "arn:aws:iam::123456789012:role/marketing"
LMS_ELSEWHERE, OTHER_ELSEWHERE = "arn:aws:iam::210987654321:role/lms", "arn:aws:iam::210987654321:role/other"
STRANGER = "arn:aws:iam::999999999999:role/lms"
PRINCIPALS = (LMS, MARKETING, LMS_ELSEWHERE, OTHER_ELSEWHERE, STRANGER)
PUBLISHERS = {"PublishFunction", "ReportFunction", "ReconcileFunction"}
OWN, SUPPORT = "course-certificates", "course-certificates/support"
SOURCES = ("openedx/lms/web", "openedx/cms/web", "marketing", OWN, SUPPORT, f"{OWN}/sweep")


@cache
def client_of(cloud: LocalCloud, principal: str) -> Any:
    """Return the bus's client of a principal, or of a function."""
    if principal.startswith("arn:"):
        return cloud.client("events", principal)
    with cloud.functions[principal].running():
        return botocore.session.get_session().create_client("events")


def is_taken(cloud: LocalCloud, principal: str, source: str, event_type: str) -> bool:
    """Put an event on the bus. Returns whether the bus takes it."""
    entry = {"EventBusName": cloud.physical("Bus"), "Source": source, "DetailType": event_type, "Detail": "{}"}
    client = client_of(cloud, principal)
    try:
        answer = client.put_events(Entries=[entry])
    except ClientError as error:
        return error.response["Error"]["Code"] != "AccessDeniedException"
    return bool(answer["FailedEntryCount"] == 0)


def may_send(principal: str, source: str, event_type: str, *, is_named: bool) -> bool:
    """Return whether a principal has a business to send this."""
    is_act = EVENT_TYPES[event_type].is_act
    if principal in PUBLISHERS:
        return source == OWN
    if principal == "SupportFunction":
        return source == SUPPORT and (is_act or event_type == "certificates.course_run.configured.v1")
    if principal == "BridgeFunction":
        return source.startswith("openedx/") and event_type.startswith("org.openedx.")
    if not principal.startswith("arn:"):
        return False
    if not source.startswith("openedx/") or (is_act and source != "openedx/lms/web"):
        return False
    return principal in {LMS, LMS_ELSEWHERE} if is_named else not is_act and principal in {LMS, MARKETING}


@pytest.mark.parametrize(
    "given",
    [{}, LOCAL_PARAMETERS, NAMED, BRIDGED],
    ids=["by default", "with support", "with all named", "with all named and a bridge"],
)
def test_the_bus_takes_from_each_principal_what_it_has_a_business_to_send(given: dict[str, str]) -> None:
    with LocalCloud(TEMPLATE, {"DeletionProtection": "false", **given}) as cloud:
        everything = [*product([*PRINCIPALS, *cloud.functions], SOURCES, EVENT_TYPES)]
        taken = {sent for sent in everything if is_taken(cloud, *sent)}
    assert taken == {sent for sent in everything if may_send(*sent, is_named=given in (NAMED, BRIDGED))}


@pytest.mark.parametrize("who", ["credentials", "service"])
def test_the_function_of_programs_sends_their_events_where_it_is_to_and_nothing_else(who: str) -> None:
    with LocalCloud(TEMPLATE, {**RECORDED, "ProgramEvents": who}) as cloud:
        everything = [*product(SOURCES, [*EVENT_TYPES, *PROGRAM_EVENTS])]
        taken = {sent for sent in everything if is_taken(cloud, "RecordsFunction", *sent)}
        assert taken == {(OWN, event_type) for event_type in PROGRAM_EVENTS if who == "service"}
        assert is_taken(cloud, "PublishFunction", OWN, CHANGED)


def test_one_forged_event_among_others_refuses_them_all() -> None:
    event_type = "org.openedx.learning.certificate.created.v1"
    with LocalCloud(TEMPLATE, {"DeletionProtection": "false"}) as cloud:
        bus = cloud.physical("Bus")
        entry = {"EventBusName": bus, "Source": "openedx/lms/web", "DetailType": event_type, "Detail": "{}"}
        with pytest.raises(ClientError, match="not authorized to perform: events:PutEvents"):
            client_of(cloud, LMS).put_events(Entries=[entry, entry | {"Source": OWN}])


SOURCE_LISTS = ["openedx/lms/web", "openedx/*", "openedx/lms/web,openedx/cms/web", "exams.example.org"]
ARN = "arn:aws:iam::123456789012:role"


@pytest.mark.parametrize(
    ("parameter", "good", "bad"),
    [
        ("PlatformSources", SOURCE_LISTS, ["", "*", "a,,b", "a, b", "*/web", "openedx/*/web", "a,*"]),
        ("ActingSources", ["", *SOURCE_LISTS], ["*", "a,,b", "a, b", "a,", "openedx/*/web"]),
        ("PlatformAccounts", ["", "123456789012", "123456789012,210987654321"], ["*", "1", "123456789012,"]),
        (
            "PlatformRoles",
            ["", f"{ARN}/lms", f"{ARN}/lms-*,{ARN}/path/cms"],
            ["*", "lms", f"{ARN}/a,", "arn:aws:s3:::b"],
        ),
    ],
)
def test_a_parameter_takes_lists_and_refuses_what_would_let_anybody_in(
    stack: Json, parameter: str, good: list[str], bad: list[str]
) -> None:
    described = stack["Parameters"][parameter]
    assert described["Description"]
    for value in (*good, *bad, described["Default"]):
        assert bool(re.fullmatch(described["AllowedPattern"], value)) is (value not in bad), value


def test_an_event_of_an_untrusted_sender_rings_an_alarm(stack: Json) -> None:
    (alarm,) = (
        alarm
        for alarm in of_type(stack, "AWS::CloudWatch::Alarm").values()
        if alarm.get("MetricName") == f"parked_{Reason.SOURCE_NOT_TRUSTED}"
    )
    assert (alarm["Threshold"], alarm["ComparisonOperator"]) == (0, "GreaterThanThreshold")

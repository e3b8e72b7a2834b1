"""The stand-in that functions in containers deliver to: this service's own client takes all that it answers."""

from datetime import UTC, datetime
from unittest.mock import patch

import pytest

from certrules import aws
from certrules.core.deliveries.desired import Availability, CourseCredential, Desired, Grade, Kind, Target, Username
from certrules.core.deliveries.outcomes import Acknowledged
from certrules.platform_client import PlatformClient
from certrules.records.credentials import PARAMETERS, CredentialsClient, Unconfirmed
from certs.debug.credentials import credentials_service
from tests.records.scene import A1, ADA, AVAILABILITY, COURSE, GRADE, PROGRAM, PROGRAM_AWARDED, Secrets
from tests.records.service import Service

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
OVERRIDDEN = CourseCredential(is_awarded=True, mode="verified", date_override=NOON)
AT_NOON = Availability(mode="verified", date=NOON)


@pytest.mark.parametrize(
    ("target", "desired"),
    [
        (COURSE, OVERRIDDEN),
        (COURSE, CourseCredential(is_awarded=False, mode="honor")),
        (GRADE, Grade(percent=0.81234, letter="B", updated_at=NOON)),
        (PROGRAM, PROGRAM_AWARDED),
        (AVAILABILITY, AT_NOON),
        (AVAILABILITY, Availability(mode="verified", date=None)),
        (Target(Kind.USERNAME, ADA), Username(name="lovelace")),
    ],
)
def test_whatever_is_sent_is_acknowledged(target: Target, desired: Desired) -> None:
    with credentials_service() as parameters, patch.object(aws, "client", lambda _: Secrets(Service())):
        url = parameters["CredentialsUrl"]
        client = CredentialsClient(PlatformClient(url, url, parameters["CredentialsSecret"], PARAMETERS))
        asked = client.ask(AVAILABILITY, AT_NOON, "", overridden=False, uuid=None)
        assert asked is Unconfirmed.DIFFERS
        assert isinstance(client.send(target, desired, "ada"), Acknowledged)
        shown = client.ask(COURSE, OVERRIDDEN, "ada", overridden=True, uuid="of-a-row")
        assert shown is Unconfirmed.NOT_SHOWN
        if isinstance(desired, Availability):
            assert isinstance(
                client.ask(Target(Kind.AVAILABILITY, A1), desired, "", overridden=False, uuid=None), Acknowledged
            )

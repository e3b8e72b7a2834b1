"""The records of a stack, worked off by a clock that the test sets: a fixture."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import count

import pytest
from aws_lambda_powertools import Logger

from certrules import aws, settings
from certrules.core.programs.reasons import ProgramCause, ProgramCertificateStatus
from certrules.formats.senders import TrustedSenders
from certrules.platform_client import PlatformClient
from certrules.records.credentials import PARAMETERS, CredentialsClient
from certrules.records.delivering import Delivering
from certrules.records.running import Deployment, Records
from certrules.records.stored import DynamoDeliveries
from certrules.storage.learner_records import StoredLearner, load_learner
from tests.records.cloud import SECRET
from tests.records.scene import ADA, P1
from tests.records.service import Host
from tests.scenes.scene import Scene, sqs_event


@dataclass
class Clock:
    """What time it is."""

    now: datetime


@dataclass
class Timed:
    """The records of the stack, worked off by a clock that the test sets."""

    scene: Scene
    records: Records
    clock: Clock

    def later(self, **time: float) -> None:
        """Let time pass, and do what is due then."""
        self.clock.now += timedelta(**time)
        counts = self.records.work_due(lambda: True)
        assert counts["RecordsFailed"] == 0
        self.work_off()

    def work_off(self) -> None:
        """Work off all that is queued, delayed or not."""
        while messages := self.scene.take("RecordsQueue"):
            worked = self.records.work_off(sqs_event(messages)["Records"], lambda: True)
            assert worked.retried == set()

    @property
    def learner(self) -> StoredLearner:
        """What is stored of ada."""
        return load_learner(ADA)

    @property
    def program(self) -> tuple[ProgramCertificateStatus | None, ProgramCause | None]:
        """The status of ada's program certificate, and the cause of what is pending."""
        published = self.learner.programs[P1].state.published
        return published.status, published.pending.cause if published.pending else None


@pytest.fixture
def timed(cloud_scene: Scene, host: Host) -> Iterator[Timed]:
    cloud, clock = cloud_scene.cloud, Clock(aws.now())
    deployment = Deployment(
        settings.policies(),
        TrustedSenders(("openedx/*",), ("openedx/lms/web",), "123456789012", frozenset({"123456789012"})),
        cloud.physical("RecordsQueue"),
        cloud.physical("ParkedQueue"),
        cloud.physical("Bus"),
        "records",
        announces=True,
    )
    client = CredentialsClient(PlatformClient(host.url, host.url, SECRET, PARAMETERS))
    holders = count()
    delivering = Delivering(DynamoDeliveries(), client, lambda: clock.now, lambda: 0.5, lambda: str(next(holders)))
    aws.client.cache_clear()
    yield Timed(cloud_scene, Records(deployment, delivering, lambda: clock.now, Logger()), clock)
    aws.client.cache_clear()

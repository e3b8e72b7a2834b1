"""An export of the platform's tables, empty yet; and a stack to import it into."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from certs.imports import job
from certs.run import LOCAL_PARAMETERS
from localcloud import LocalCloud
from tests.scenes.platform_tables import Tables
from tests.scenes.scene import TEMPLATE


@pytest.fixture
def tables(tmp_path: Path) -> Tables:
    """The tables of a platform."""
    return Tables(tmp_path)


@pytest.fixture
def cloud(monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalCloud]:
    """A local cloud that stays up: what it is asked to do is delivered before its state is shown."""
    with LocalCloud(TEMPLATE, LOCAL_PARAMETERS) as cloud:

        class Steps:
            """Step Functions, which go on by themselves."""

            def __init__(self) -> None:
                self._client = cloud.client("stepfunctions")

            def start_execution(self, **reported: str) -> object:
                return self._client.start_execution(**reported)

            def describe_execution(self, **reported: str) -> object:
                cloud.deliver()
                return self._client.describe_execution(**reported)

        stack = job.ImportTarget(
            cloud.client("s3"), Steps(), cloud.physical("BulkBucket"), cloud.physical("ImportMachine")
        )
        monkeypatch.setattr(job, "stack_of", lambda _name: stack)
        yield cloud

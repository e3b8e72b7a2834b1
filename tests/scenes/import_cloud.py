"""A local cloud that `certs import` finds: what it is asked to do is delivered before its state is shown."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import pytest

from certs.imports import job
from localcloud import LocalCloud
from tests.scenes.scene import TEMPLATE


@contextmanager
def import_cloud(parameters: Mapping[str, str], monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalCloud]:
    """Yield a cloud with these parameters."""
    with LocalCloud(TEMPLATE, dict(parameters)) as cloud:

        class Steps:
            """Step Functions, which go on without being waited for."""

            def __init__(self) -> None:
                self._client = cloud.client("stepfunctions")

            def start_execution(self, **reported: str) -> object:
                return self._client.start_execution(**reported)

            def describe_execution(self, **reported: str) -> object:
                cloud.deliver()
                return self._client.describe_execution(**reported)

        bucket, machine = cloud.physical("BulkBucket"), cloud.physical("ImportMachine")
        names = cloud.outputs["LearnerNames"] == "on"
        target = job.ImportTarget(cloud.client("s3"), Steps(), bucket, machine, names)
        monkeypatch.setattr(job, "stack_of", lambda _name: target)
        yield cloud

"""Races on AWS's own DynamoDB engine."""

from collections.abc import Iterator

import pytest

from certrules import settings, storage
from certrules.formats.messages import Message
from certrules.ingestion import BatchResult, ingest_messages
from certrules.storage.tables import Pair
from certs.run import LOCAL_PARAMETERS
from localcloud import LocalCloud
from tests.scenes.scene import TEMPLATE, Scene


@pytest.fixture(scope="module")
def stack(dynamodb_local: str) -> Iterator[Scene]:
    """The stack, its tables in AWS's own engine."""
    with LocalCloud(TEMPLATE, LOCAL_PARAMETERS, dynamodb_endpoint=dynamodb_local) as cloud:
        scene = Scene(cloud, dynamodb_local)
        with pytest.MonkeyPatch.context() as environment:
            environment.setenv("AWS_ENDPOINT_URL_DYNAMODB", dynamodb_local)
            assert list(storage.history_of(Pair(0, ""))) == []  # makes the connection by which history is read
        yield scene


def taken_in_wholly(batches: list[list[Message]]) -> list[BatchResult]:
    """Take in each batch; what fails comes again, as the queue would have it."""
    policies = settings.policies()
    found = []
    for batch in batches:
        left = batch
        while left:
            found.append(ingest_messages(left, policies))
            left = [left[position] for position in sorted(found[-1].failed)]
    return found

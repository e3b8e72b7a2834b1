"""The records table, alone or with the certificates table, in this process or in AWS's own engine."""

from collections.abc import Iterator
from contextlib import contextmanager
from uuid import uuid4

import pytest
from moto import mock_aws

from certrules import storage
from certrules.storage import Item
from certrules.storage.records_table import RecordsItem, connect_records


@contextmanager
def records_table(endpoint: str | None = None) -> Iterator[None]:
    """Make the table, at an endpoint if one is given."""
    with mock_aws(), pytest.MonkeyPatch.context() as environment:
        environment.setenv("AWS_ENDPOINT_URL_DYNAMODB", endpoint or "")
        storage.connect(f"certificates-{uuid4()}", f"history-{uuid4()}")
        connect_records(f"records-{uuid4()}")
        RecordsItem.create_table(billing_mode="PAY_PER_REQUEST", wait=True)
        try:
            yield
        finally:
            RecordsItem.delete_table()


@contextmanager
def all_tables(endpoint: str) -> Iterator[None]:
    """Make both tables."""
    with records_table(endpoint):
        Item.create_table(billing_mode="PAY_PER_REQUEST", wait=True)
        try:
            yield
        finally:
            Item.delete_table()

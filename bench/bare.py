"""The models of the certificates and history tables as PynamoDB's guide writes them, over the client that it makes."""

from pynamodb.attributes import BinaryAttribute, NumberAttribute, UnicodeAttribute, VersionAttribute
from pynamodb.connection import Connection
from pynamodb.models import Model

from bench.batches import CERTIFICATES, HISTORY


class _Limits:
    region = "eu-west-1"
    connect_timeout_seconds = 2
    read_timeout_seconds = 5
    retry_configuration = "UNSET"


class Item(Model):
    """One item of the certificates table."""

    class Meta(_Limits):
        """Of the bench."""

        table_name = CERTIFICATES

    p = UnicodeAttribute(hash_key=True)
    s = UnicodeAttribute(range_key=True)
    v = VersionAttribute()
    e = UnicodeAttribute(null=True)
    c = UnicodeAttribute(null=True)
    r = UnicodeAttribute(null=True)
    i = UnicodeAttribute(null=True)
    d = UnicodeAttribute(null=True)
    t = NumberAttribute(null=True)
    x = UnicodeAttribute(null=True)
    h = UnicodeAttribute(null=True)
    k = NumberAttribute(null=True)
    z = BinaryAttribute(null=True, legacy_encoding=False)
    y = UnicodeAttribute(null=True)


class HistoryItem(Model):
    """One transition."""

    class Meta(_Limits):
        """Of the bench."""

        table_name = HISTORY

    p = UnicodeAttribute(hash_key=True)
    s = UnicodeAttribute(range_key=True)
    b = UnicodeAttribute()


def connection() -> Connection:
    """Return the connection of the certificates table: one client for all."""
    return Item._get_connection().connection  # noqa: SLF001 - PynamoDB's only way to share it

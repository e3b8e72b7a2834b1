"""Events that the service published."""

from certs.sources.event_builders import Detail, envelope


def sent(detail: Detail) -> Detail:
    """Return the event as the bus brings it, sent when it became true."""
    return {"id": "bus-1", "account": "123456789012", **envelope(detail)}

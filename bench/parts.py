"""The parts of the bench, by the name of their place in the page."""

from collections.abc import Iterable
from importlib import import_module

from bench.tables import Table

PARTS = {
    "core": "bench.core",
    "programs": "bench.programs",
    "event": "bench.event",
    "django": "bench.django_way",
    "cold": "bench.cold",
    "support": "bench.support",
}
"""The markers in the page, and the modules that measure what is put there."""


def measured(part: str) -> list[Table]:
    """Return the tables of a part."""
    result: Table | Iterable[Table] = import_module(PARTS[part]).measure()
    return [result] if isinstance(result, Table) else list(result)

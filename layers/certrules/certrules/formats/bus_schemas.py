"""The Avro schemas of Open edX's events, as its library (`openedx-events`) writes them: for buses without a registry.

They are in bus_schemas.json, which `python -m tests.scenes.bus_schemas` writes. A platform whose version of the library
has other fields needs a registry; without one its records are refused, for bytes are missing or left.
"""

import json
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path

from certrules.formats.avro import Schema

type Schemas = Callable[[int | None, str], Schema | None]
"""Returns the schema with an id in a registry (None: the bus has no registry) that an event of a type is written by.

None if there is no such schema. May raise OSError where the registry can't be reached: a retry can help.
"""

_FILE = Path(__file__).with_suffix(".json")


@cache
def _all() -> Mapping[str, Schema]:
    schemas: Mapping[str, Schema] = json.loads(_FILE.read_text())
    return schemas


def shipped_schema(_schema_id: int | None, event_type: str) -> Schema | None:
    """Return the schema of an event type that is shipped with this service, whatever id the registry has for it."""
    return _all().get(event_type)

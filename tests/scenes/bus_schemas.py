"""The schemas of the platform's own library, for the file of schemas that the bridges ship.

`python -m tests.scenes.bus_schemas` writes that file; a test holds that it is what stands there.
"""

import json
from pathlib import Path
from typing import Any

from openedx_events.event_bus.avro.schema import schema_from_signal

from tests.scenes.openedx import SIGNALS, TAKEN_IN

FILE = Path(__file__).resolve().parents[2] / "layers/certrules/certrules/formats/bus_schemas.json"


def schema_of(event_type: str) -> Any:
    """Return the library's schema of an event type, without its comment."""
    schema = schema_from_signal(SIGNALS[event_type])
    del schema["doc"]
    return schema


def text() -> str:
    """Return the content of the file: a line for each event type."""
    lines = (f" {json.dumps(name)}: {json.dumps(schema_of(name), separators=(',', ':'))}" for name in TAKEN_IN)
    return "{\n" + ",\n".join(lines) + "\n}\n"


if __name__ == "__main__":
    FILE.write_text(text())

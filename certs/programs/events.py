"""The events of a catalog's programs: built, read once as the service will read them, and sent."""

import json
from collections.abc import Iterable
from datetime import datetime
from typing import Any
from uuid import UUID, uuid5

from botocore.exceptions import BotoCoreError, ClientError

from certrules.aws import put_entries
from certrules.formats.events_in import decode
from certrules.formats.program_events import PROGRAM_CONFIGURED
from certrules.formats.refusals import RefusedError
from certs.programs.catalog import Catalog, Problem
from certs.stacks import Aws, NoStackError

_NAMESPACE = UUID("3f0b2c9e-64a1-4d63-9a64-2d6a5c1e7b90")
_BY = "system:certs-programs-import"


def events_of(catalog: Catalog, at: datetime, source: str) -> list[dict[str, Any]]:
    """Return the event of each program that can be read, as its definition from an instant (UTC) on.

    One that the service would refuse becomes a problem of the catalog. The same import gives the same events.
    """
    events = []
    for name, program in sorted(catalog.programs.items()):
        data = program.data | {"by": _BY, "notes": f"imported from {program.file}"[:2_000]}
        content = json.dumps(data, sort_keys=True)
        metadata = {
            "id": str(uuid5(_NAMESPACE, f"{at.isoformat()} {content}")),
            "event_type": PROGRAM_CONFIGURED.name,
            "minorversion": 0,
            "time": at.isoformat(),
            "source": source,
        }
        event = {"metadata": metadata, PROGRAM_CONFIGURED.key: data}
        try:
            decode(json.dumps(event), at)
        except RefusedError as refusal:
            field = refusal.field.removeprefix(f"{PROGRAM_CONFIGURED.key}.")
            catalog.problems.append(Problem(program.file, name, field, refusal.fix))
        else:
            events.append(event)
    return events


def send(events: Iterable[dict[str, Any]], stack: Aws, source: str) -> int:
    """Put events on a stack's bus, and return how many. Raises NoStackError if it does not take all of them."""
    entries = [
        {"Source": source, "DetailType": PROGRAM_CONFIGURED.name, "Detail": json.dumps(event)} for event in events
    ]
    try:
        taken = put_entries(stack.outputs["BusName"], entries, stack.client("events"))
    except KeyError as error:
        raise NoStackError(f"stack {stack.name!r} is none of ours: it has no BusName") from error
    except (BotoCoreError, ClientError) as error:
        fix = "your role has to be among PlatformRoles, and the source among ActingSources (docs/deploy.md)"
        raise NoStackError(f"the bus does not take the programs from {source}: {error}; {fix}") from error
    if taken < len(entries):
        raise NoStackError(
            f"the bus took {taken} of {len(entries)} programs: import again, which changes nothing twice"
        )
    return taken

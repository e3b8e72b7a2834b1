"""Ids that several certificates of an import have.

On the platform an id is to be one certificate's, but nothing there enforces it. The tables don't show which certificate
an id was meant for: all of them are imported as they are, and all are named.
"""

from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any
from zlib import crc32

from certrules.core.fact_types import Fact
from certrules.formats.table_rows import TableRow
from certs.imports.spread import Spread

MOST_IDS = 1_000
"""How many ids are named."""

MOST_OWNERS = 20
"""How many certificates are named of each id."""

_FILES = 64


class SharedIds:
    """The ids of all certificates that are read, and whose they are."""

    def __init__(self, folder: Path) -> None:
        """Spread them over files in a folder, which is made."""
        self._spread = Spread(folder)

    def noted(self, rows: Iterable[TableRow]) -> Iterator[TableRow]:
        """Yield rows as they are, and note the ids of their certificates."""
        for row in rows:
            recorded = [item.value.certificate_id for item in row.observations if item.fact is Fact.RECORDED]
            for certificate_id in {*recorded} - {""}:
                line = f"{certificate_id} {row.learner_id} {row.course_run}".encode()
                self._spread.add(crc32(certificate_id.encode()) % _FILES, line)
            yield row

    def found(self) -> list[dict[str, Any]]:
        """Return the ids that several certificates have, with whose they are, as JSON."""
        return list(islice(self._found(), MOST_IDS))

    def _found(self) -> Iterator[dict[str, Any]]:
        for _, lines in self._spread:
            owners: dict[str, list[dict[str, Any]]] = {}
            for line in lines:
                certificate_id, learner_id, course_run = line.decode().split(" ", 2)
                owners.setdefault(certificate_id, []).append({"learner_id": int(learner_id), "course_run": course_run})
            for certificate_id, named in sorted(owners.items()):
                if len(named) > 1:
                    count, shown = len(named), named[:MOST_OWNERS]
                    yield {"certificate_id": certificate_id, "count": count, "certificates": shown}

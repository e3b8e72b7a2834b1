"""Lists as CSV, for spreadsheets: no cell is a formula, whatever somebody wrote into it."""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from http import HTTPStatus
from typing import Any

from aws_lambda_powertools.event_handler import Response

_STARTS_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def csv_file(name: str, heads: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> Response[str]:
    """Return a file of this name, with a column for each head."""
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(heads)
    writer.writerows([_cell(row[head]) for head in heads] for row in rows)
    headers: dict[str, Any] = {"Content-Disposition": f'attachment; filename="{name}"'}
    return Response(HTTPStatus.OK, "text/csv; charset=utf-8", text.getvalue(), headers=headers)


def _cell(value: Any) -> str:
    text = " ".join(map(str, value)) if isinstance(value, list) else "" if value is None else str(value)
    return f"'{text}" if text.startswith(_STARTS_FORMULA) else text

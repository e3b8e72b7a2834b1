"""The files that commands save: an option for each, and texts that the API has in pieces."""

import csv
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TextIO

import click

from certs.support.api import Api


def out_option(name: str, text: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Return the option of a file that is written; "-" is stdout."""
    path = click.Path(dir_okay=False, allow_dash=True, path_type=Path)
    return click.option(name, type=path, metavar="FILE", help=f"{text} - is stdout.")


rows_option = click.option(
    "--csv", "file", type=click.File("w", lazy=True), help="Write the list to this file; -: to the output."
)


def save_rows(file: TextIO, columns: Sequence[str], rows: Sequence[Mapping[str, Any]], what: str) -> None:
    """Write a list as CSV, and how many there are (`what` they are) to stderr."""
    writer = csv.writer(file)
    writer.writerow(columns)
    writer.writerows([cell(row[name]) for name in columns] for row in rows)
    where = "" if file.name in {"-", "<stdout>"} else f" in {Path(file.name)}"
    click.echo(f"{len(rows)} {what}{where}.", err=True)


def cell(value: object) -> str:
    """Return a value of the API's answer as a cell has it."""
    if isinstance(value, list):
        return " ".join(map(str, value))
    return "" if value is None else str(value)


def save(file: Path, text: Iterable[str]) -> None:
    """Save text, piece by piece; to stdout, if the file is "-"."""
    if str(file) == "-":
        for piece in text:
            click.echo(piece, nl=False)
        return
    try:
        with file.open("w", encoding="utf-8", newline="") as out:
            out.writelines(text)
    except OSError as error:
        raise click.ClickException(f"{file}: {error.strerror}") from error
    click.echo(f"Saved as {file}.", err=True)


def pieces(api: Api, path: str, **query: object) -> Iterator[str]:
    """Return a text that the API has in pieces, piece by piece."""
    start: int | None = 0
    while start is not None:
        answer = api.get(path, start=start, **query)
        yield answer["text"]
        start = answer["next"]

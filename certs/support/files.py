"""The files that commands save: an option for each, and texts that the API has in pieces."""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import click

from certs.support.api import Api


def out_option(name: str, text: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Return the option of a file that is written; "-" is stdout."""
    path = click.Path(dir_okay=False, allow_dash=True, path_type=Path)
    return click.option(name, type=path, metavar="FILE", help=f"{text} - is stdout.")


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

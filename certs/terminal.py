"""What commands show people, and whether these can be asked."""

import sys
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from rich.console import Console

PAGE, UNLIMITED = 200, 100_000
"""How wide output is that is no terminal: pages with frames, and tables, which are never cut there."""


def console(width: int = PAGE, **options: Any) -> "Console":
    """Return where output is shown, as wide as the terminal; of this width (characters) if it isn't one."""
    from rich.console import Console

    found = Console(**options)
    if not found.is_terminal or found.record:
        found.width = width
    return found


def confirm(question: str) -> None:
    """Ask before acting. Ends the command if the answer is no, or if nobody can answer."""
    if sys.stdin is None or sys.stdin.closed:
        raise click.ClickException("nobody can be asked here, for stdin is closed; nothing was done: add --yes")
    click.confirm(question, abort=True, err=True)


def stdin() -> bytes:
    """Return all that comes in on stdin. Raises ClickException if it is closed."""
    if sys.stdin is None or sys.stdin.closed:
        raise click.ClickException("stdin is closed: name a file, or pipe something in")
    return click.get_binary_stream("stdin").read()

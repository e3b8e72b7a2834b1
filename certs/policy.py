"""`certs policy`: a policy is read as a deployment reads it, before there is one."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from certs.options import examples

if TYPE_CHECKING:
    from certrules.core.policy import Modes, Policy


@click.group(epilog=examples("certs policy check policy.json"))
def policy() -> None:
    """Check who would get a certificate by a policy."""


@policy.command(
    epilog=examples(
        "certs policy check open-edx",
        "certs policy check policy.json",
        """certs policy check '{"preset": "open-edx", "hold_seconds": 7200}'""",
    )
)
@click.argument("source", metavar="NAME|FILE|JSON")
@click.option("--json", "as_json", is_flag=True, help="The outcome as JSON.")
def check(source: str, *, as_json: bool) -> None:
    """Read a policy as the stack's parameter Policy, and show what it means.

    Exit code 1, with the field and the fix, if a deployment would be refused.
    """
    from certrules import settings
    from certrules.core.instants import BEGINNING
    from certrules.core.policy import PolicyError

    try:
        dated = settings.policies(settings.PolicyParameters(_text(source)))
    except PolicyError as error:
        raise click.ClickException(str(error)) from error
    shown = [{"since": None if since == BEGINNING else since.isoformat(), **_shown(one)} for since, one in dated]
    if as_json:
        click.echo(json.dumps(shown, indent=2))
        return
    for one in shown:
        click.echo(f"from {one['since'] or 'the beginning'}:")
        for name, value in one.items():
            if name != "since":
                click.echo(f"  {name}: {value if isinstance(value, str) else json.dumps(value)}")


def _text(source: str) -> str:
    """Return the parameter's value: a file's content, or the text itself."""
    from certrules.core.policy import PRESETS

    if source in PRESETS or source.lstrip()[:1] in {"{", "[", '"'}:
        return source
    try:
        return Path(source).read_text()
    except (OSError, ValueError) as error:
        names = ", ".join(PRESETS)
        raise click.ClickException(
            f"policy: {source[:40]!r} is no preset ({names}), no JSON, and no file that can be read"
        ) from error


def _shown(one: "Policy") -> dict[str, Any]:
    """Return a policy in the form in which it is written."""
    return {
        "version": one.version,
        "eligible_modes": _modes(one.eligible_modes),
        "id_verification_required": one.id_verification_required,
        "modes_without_id_verification": _modes(one.modes_without_id_verification),
        "web_certificates": one.web_certificates,
        "hold_seconds": int(one.hold.total_seconds()),
        "breaker_limit": one.breaker_limit,
        "breaker_window_seconds": int(one.breaker_window.total_seconds()),
        "passing_letters": list(one.passing_letters),
    }


def _modes(modes: "Modes") -> Any:
    names = sorted(modes.names)
    return {"all_but": names} if modes.all_but else names

"""Every command of `certs`, with arguments by which it does its work on a scene."""

from collections.abc import Iterator

import click

from certs.cli import main

LEAVE_OUT = {
    ("local",): "it serves until Ctrl-C",
    ("run",): "it has a cloud of its own; tests/certs/test_run.py",
    ("replay",): "it writes JSON lines; tests/certs/test_replay.py",
    ("import",): "tables of a company; tests/imports",
    ("archive", "replay"): "it replays a deployed bus",
    ("bridge", "redis"): "it runs until it is stopped",
    ("bridge", "kafka"): "same",
    ("bridge", "out"): "same",
    ("bridge", "health"): "it has an exit code and no output",
    ("doctor",): "it asks AWS, not the API",
    ("reconcile",): "same",
    ("records", "compare"): "same",
    ("programs", "import"): "it reads files",
    ("policy", "check"): "same",
    ("rollout", "compare"): "it waits for a bulk run; tests/bulk/test_rollouts_cli.py",
    ("rollout", "live"): "same",
}
"""Commands that don't speak the support API, and why they are tested elsewhere."""


def commands(
    group: click.Command = main, path: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """Yield every command that speaks the support API, by its words."""
    if isinstance(group, click.Group):
        for name, command in group.commands.items():
            yield from commands(command, (*path, name))
    elif path not in LEAVE_OUT:
        yield path, group


WHY = ("--reason", "ticket 12")
YES = (*WHY, "--yes")
SINCE = ("2026-01-02T00:00:00Z", "2026-01-04T00:00:00Z")

ARGUMENTS: dict[str, tuple[str, ...]] = {
    "explain": ("LEARNER", "RUN"),
    "timeline": ("LEARNER", "RUN"),
    "changes": ("LEARNER", "RUN", *SINCE),
    "find": ("LEARNER",),
    "learner show": ("LEARNER",),
    "learner find": ("ada",),
    "learners": ("RUN",),
    "course-run": ("RUN",),
    "what-if": ("LEARNER", "RUN", "--change", "pass"),
    "check": ("RUN",),
    "invalidations": ("RUN",),
    "export-case": ("LEARNER", "RUN", "case.jsonl"),
    "allowlist add": ("LEARNER", "RUN", *YES),
    "allowlist remove": ("LEARNER", "RUN", *YES),
    "allowlist add-all": ("RUN", "--file", "list.csv", *YES),
    "invalidate": ("LEARNER", "RUN", *YES),
    "lift": ("LEARNER", "RUN", *YES),
    "redecide": ("LEARNER", "RUN", *YES),
    "erase": ("LEARNER", "RUN", *YES),
    "date remove": ("LEARNER", "RUN", *YES),
    "date set": ("LEARNER", "RUN", "2026-05-29T00:00:00Z", *YES),
    "held release": ("LEARNER", "RUN", *YES),
    "held discard": ("LEARNER", "RUN", *YES),
    "held list": (),
    "held discard-all": ("RUN", *YES),
    "revocations request": ("RUN", "--invalidate", "--learner", "LEARNER", *WHY),
    "revocations list": (),
    "revocations show": ("REVOCATION",),
    "revocations approve": ("REVOCATION", "--colleague", "--yes"),
    "revocations decline": ("REVOCATION", "--colleague", "--yes"),
    "revocations stop": ("RUN", *WHY),
    "revocations resume": ("RUN", *WHY),
    "audit": (),
    "transitions": (),
    "trends": (),
    "consumers": (),
    "send-again": ("RUN", "--learner", "LEARNER", *YES),
    "regenerate start": ("RUN", "--dry-run", *WHY),
    "regenerate list": (),
    "regenerate status": ("BULK",),
    "regenerate watch": ("BULK",),
    "regenerate plan": ("BULK",),
    "regenerate approve": ("BULK", "--hash", "0" * 64),
    "regenerate decline": ("BULK", "--hash", "0" * 64),
    "regenerate resume": ("BULK",),
    "regenerate report": ("BULK",),
    "records show": ("LEARNER",),
    "records list": (),
    "records retry": ("--learner", "LEARNER", *YES),
    "records act": ("discard", "LEARNER", "8a1b2c3d-0000-4000-8000-000000000001", *YES),
    "rollout status": (),
    "rollout off": ("RUN", *YES),
    "rollout shadow": ("RUN", *YES),
}
"""By the words of a command, its arguments; capitals stand for what a scene has."""

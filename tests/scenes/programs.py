"""Programs in words: definitions, certificates and actions, as the cases of tests/core/programs have them."""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from certrules.core.fact_types import Fact
from certrules.core.programs.certificates import CertificateChange
from certrules.core.programs.definitions import (
    DatedDefinition,
    DefinitionTimeline,
    ProgramCourse,
    ProgramDefinition,
    ProgramStatus,
    merge_definitions,
)
from certrules.core.programs.kill_switches import KillSwitches
from certrules.core.programs.outcome import ProgramAction
from certrules.core.programs.reasons import ProgramCause
from certrules.core.terms import RevocationAction, Status
from certrules.core.timeline import Entry, Timeline
from tests.scenes.phrases import instant

UUID = "8a1b2c3d-6c1f-4c55-9d5e-2b7a1e4f0c11"
COURSES: Mapping[str, Sequence[str]] = {"A": ["a1", "a2"], "B": ["b1"]}

_DAY = r"(day -?\d+(?: \d+:\d\d)?)"


def definition(described: Mapping[str, Any] = {}, uuid: str = UUID) -> ProgramDefinition:
    """Return a definition: that of MicroData, but for what is described."""
    courses = described.get("courses", COURSES)
    modes = described.get("modes")
    return ProgramDefinition(
        uuid,
        "MicroData",
        "MicroMasters",
        ProgramStatus(described.get("status", "active")),
        None if modes is None else tuple(sorted(modes)),
        tuple(ProgramCourse(key, tuple(sorted(runs))) for key, runs in sorted(courses.items())),
    )


def timeline_of(case: Mapping[str, Any]) -> DefinitionTimeline:
    """Return the definitions of a case."""
    first = case.get("program", {})
    dated = [(first.get("since", "day 1"), first)]
    dated += [(at, described) for item in case.get("then", []) for at, described in item.items()]
    entries = [DatedDefinition(instant(at), f"definition {n}", definition(one)) for n, (at, one) in enumerate(dated)]
    return merge_definitions((), entries)


def change(text: str) -> CertificateChange:
    """Read "day 3 downloadable", with "in honor" and "since day 2" behind."""
    match = re.fullmatch(rf"{_DAY} (\w+)(?: in (\S+))?(?: since {_DAY})?", text)
    assert match, f"not a change of a certificate: {text!r}"
    at, status, mode, since = match.groups()
    return CertificateChange(instant(at), Status(status), mode or "verified", instant(since or at))


def certificates_of(case: Mapping[str, Any]) -> dict[str, tuple[CertificateChange, ...]]:
    """Return the certificates of a case, by course run."""
    return {run: tuple(map(change, changes)) for run, changes in case["certificates"].items()}


def action(text: str) -> ProgramAction:
    """Read "day 10 course_lost released by ada"."""
    match = re.fullmatch(rf"{_DAY} (\w+) (\w+) by (\S+)", text)
    assert match, f"not an action: {text!r}"
    at, cause, what, by = match.groups()
    return ProgramAction(instant(at), text, RevocationAction(what), ProgramCause(cause), by, "because")


def switches_of(case: Mapping[str, Any]) -> KillSwitches:
    """Return the kill switches: "day 7 stopped" is the deployment's, "b1: day 7 stopped" that of a course run."""
    of_runs: dict[str, Timeline] = {}
    for text in case.get("switch", []):
        run, _, dated = text.rpartition(": ")
        at = instant(dated.rpartition(" ")[0])
        entry = Entry(at, text, Fact.AUTOMATIC_REVOCATIONS, "", dated.endswith("resumed"))
        of_runs[run] = (*of_runs.get(run, ()), entry)
    return KillSwitches(of_runs.pop("", ()), of_runs)


def day(at: datetime | None) -> str | None:
    """Return an instant in the words of the cases."""
    if at is None:
        return None
    days = (at - instant("day 1")).days + 1
    return f"day {days}" if at == instant(f"day {days}") else f"day {days} {at:%H:%M}"

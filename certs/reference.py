"""The generated parts of docs/{events,rules,programs,records,cli}.md, as Markdown, from the code that they describe."""

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import click
import msgspec
from msgspec import inspect

from certrules.core.deliveries.outcomes import REASONS as WAITING_REASONS
from certrules.core.deliveries.outcomes import Waiting, WaitingReason
from certrules.core.policy import PRESETS, Modes
from certrules.core.programs.reasons import CAUSES as PROGRAM_CAUSES
from certrules.core.programs.reasons import HELD, REASONS, ProgramCause
from certrules.core.rules import RULES
from certrules.core.terms import RELEASED, REVOKING, Cause, Status
from certrules.formats.event_form import EventType, Metadata
from certrules.formats.event_types import EVENT_TYPES
from certrules.formats.events_out import EVENTS_OUT
from certrules.formats.refusals import Reason
from certrules.reconciliation.finding_types import FINDING_TYPES
from certs.cli import main
from certs.imports.files.unreadable import KINDS
from certs.imports.tables import TABLES

SAMPLES = Path(__file__).resolve().parent.parent / "events"
DECISIONS = SAMPLES.parent / "docs" / "decisions"

REFUSALS: Mapping[Reason, tuple[str, str]] = {
    Reason.TOO_LARGE: ("The body is larger than 64 KB.", "Send one event a message, without attachments."),
    Reason.WRONG_FORM: (
        "The event is inside something else that holds several, or none; or it is a line of a tracking log.",
        "`fix` names the form; send each event alone, in the form above.",
    ),
    Reason.NOT_JSON: ("The body is not JSON in UTF-8, or nested too deeply.", "Send one JSON object."),
    Reason.MISSING_FIELD: ("A field that decides is missing.", "Send it; `field` names it."),
    Reason.WRONG_TYPE: ("A field has another JSON type than it is to have.", "Send the type below."),
    Reason.BAD_VALUE: ("A field's value is out of bounds, or not one of those known.", "Correct the value."),
    Reason.UNKNOWN_TYPE: ("Events of this type are not read.", "Don't route them here, or add the type."),
    Reason.UNKNOWN_VERSION: ("The type is known, but not this version.", "Send version 1, or add this one."),
    Reason.TYPE_MISMATCH: (
        "`detail-type` is not `metadata.event_type`.",
        "Correct the producer: they are equal.",
    ),
    Reason.NAIVE_TIME: ("A time has no offset from UTC.", "Send UTC with `Z` or `+00:00`."),
    Reason.FUTURE_TIME: (
        "`metadata.time` is more than five minutes ahead.",
        "Set the producer's clock; send the event again when its time has come.",
    ),
    Reason.BAD_COURSE_KEY: (
        "This is no key of a course run.",
        "Send `course-v1:Org+Course+Run`; `fix` names the key that was probably meant.",
    ),
    Reason.SOURCE_NOT_TRUSTED: (
        "Its sender may not send it; or it has this service's name, which only this service sends under.",
        "`source` and `account` name the sender. Name the platform in the stack's parameters, or find out who it is.",
    ),
    Reason.TIMELINE_FULL: (
        "A learner in a course run, a learner or a course run has some 5,000 changes, and all of them decide.",
        "Stop what sends them, see [limits](#limits); what a person does is still taken, then send the event again.",
    ),
    Reason.NOT_AVRO: (
        "The value of a record of the platform's bus is not Avro by its schema: wrong start, cut off, bytes left.",
        "Name the platform's registry, or correct the producer, then read the record again, see [bridges](bridges.md).",
    ),
    Reason.UNKNOWN_SCHEMA: (
        "Neither the registry nor this service has the schema that a record was written by.",
        "Register it, or name the right registry, then read the record again.",
    ),
    Reason.REPEATED_HEADER: (
        "A header of a record is there twice, so which one counts is not known.",
        "Correct the producer; `field` names it.",
    ),
    Reason.NO_USERNAME: (
        "A certificate event on its way to the platform's own bus names no username.",
        'Without one, its readers would write it to a user named "". See [bridges](bridges.md#out-again).',
    ),
}
"""What each reason means, and the fix."""

STATUSES: Mapping[Status, str] = {
    Status.DOWNLOADABLE: "The learner has the certificate.",
    Status.NOTPASSING: "There is a certificate, and the learner does not pass.",
    Status.UNAVAILABLE: "There is a certificate, and it is invalidated.",
    Status.UNVERIFIED: "The learner passed or is on the allowlist; the ID verification is missing.",
}
"""The meaning of the statuses that are set here; the others come only from the old logic."""

CAUSES: Mapping[Cause, str] = {
    Cause.EARNED: "All rules hold.",
    Cause.REINSTATED: "All rules hold again: same id, URL and date of issue.",
    Cause.RECORDED: "The old logic recorded it.",
    Cause.LABELLED: "The certificate can't become downloadable; the status shows why.",
    Cause.INVALIDATED: "A person invalidated it.",
    Cause.EXAM_REJECTED: "An exam attempt was rejected, and the learner is not on the allowlist.",
    Cause.GRADE_FELL: "The learner passed before, fails now, and did so throughout the hold.",
    Cause.ALLOWLIST_REMOVED: "The allowlist entry that it rested on was removed.",
    Cause.RECORDED_WHILE_INVALIDATED: "The old logic had it downloadable while it was invalidated.",
    Cause.NEVER_EARNED: "Facts that came late show that it was never earned.",
    Cause.NEVER_PASSED: "The certificate is older than all grades, and the first grade is failing.",
    Cause.LATE_ENTRY: "An entry came late, among entries that are no longer stored, and contradicts them.",
}

OWN_EVENTS = "certificates."
_JSON_TYPES: Mapping[type[inspect.Type], str] = {
    inspect.AnyType: "policy",
    inspect.BoolType: "true or false",
    inspect.DateTimeType: "time",
    inspect.FloatType: "number",
    inspect.IntType: "integer",
    inspect.NoneType: "null",
    inspect.StrType: "string",
}


class Field(NamedTuple):
    """A field that is read."""

    path: str  # within `detail`
    type: str  # in JSON
    required: bool


def fields_of(event_type: EventType) -> tuple[Field, ...]:
    """Return the fields of the type's data that are read."""
    return tuple(_fields(event_type.form.decoder.type, event_type.key))


def metadata_fields() -> tuple[Field, ...]:
    """Return the fields of `metadata` that are read."""
    return tuple(_fields(Metadata, "metadata"))


def _fields(struct: type[msgspec.Struct], prefix: str) -> Iterator[Field]:
    described = inspect.type_info(struct)
    assert isinstance(described, inspect.StructType)
    for field in described.fields:
        path = f"{prefix}.{field.encode_name}"
        if isinstance(field.type, inspect.StructType):
            yield from _fields(field.type.cls, path)
        else:
            yield Field(path, _json_type(field.type), field.required)


def _json_type(described: inspect.Type) -> str:
    match described:
        case inspect.UnionType():
            return " or ".join(sorted(map(_json_type, described.types), key=lambda kind: (kind == "null", kind)))
        case inspect.ListType(item_type=inspect.StructType()):
            return "list of objects"
        case inspect.ListType():
            return "list of strings"
        case inspect.EnumType():
            return "status" if described.cls is Status else "cause"
        case inspect.LiteralType():
            return ", ".join(f"`{value}`" for value in described.values)
        case inspect.FloatType(ge=0):
            return "number from 0"
        case _:
            return _JSON_TYPES[type(described)]


# --- docs/events.md


def metadata() -> str:
    """Render the fields of `metadata` that are read."""
    return _table(("field", "type", ""), (_field_row(field) for field in metadata_fields()))


def events_in() -> str:
    """Render a table of the types that are read: Open edX's, then our own."""
    return _table(
        ("event type", "data key", "meaning", "act of a person"),
        ((f"`{name}`", f"`{row.key}`", row.meaning, _act(row)) for name, row in EVENT_TYPES.items()),
    )


def _act(row: EventType) -> str:
    return "yes" if row.is_act else " and ".join(f"`{field}`" for field in row.act_fields)


def fields_read() -> str:
    """Render the fields that are read, a table for each kind of data."""
    kinds: dict[tuple[Field, ...], list[str]] = {}
    for name, row in EVENT_TYPES.items():
        kinds.setdefault(fields_of(row), []).append(f"`{name}`")
    return "\n".join(
        f"{', '.join(names)}:\n{_table(('field', 'type', ''), map(_field_row, fields))}"
        for fields, names in kinds.items()
    )


def _field_row(field: Field) -> tuple[str, str, str]:
    return f"`{field.path}`", field.type, "required" if field.required else "may be left out"


def sample(name: str) -> str:
    """Render a sample of events/ as a block of JSON."""
    event = json.loads((SAMPLES / f"{name}.json").read_text())
    return f"\n```json\n{json.dumps(event, indent=2)}\n```\n"


def refusals() -> str:
    """Render why events are refused, and the fixes."""
    return _table(("reason", "what is wrong", "fix"), ((f"`{code}`", *REFUSALS[code]) for code in Reason))


def events_out() -> str:
    """Render the events that are sent, and when."""
    return _table(("event type", "when"), ((f"`{name}`", meaning) for name, meaning in EVENTS_OUT.items()))


# --- docs/programs.md


def program_reasons() -> str:
    """Render why a program certificate is missing."""
    return _table(
        ("reason", "what is missing", "who fixes it, and how"),
        ((f'<a id="{code}"></a>`{code}`', item.sentence, item.remedy) for code, item in REASONS.items()),
    )


def program_causes() -> str:
    """Render the causes of changes of a program certificate, and which of them take it away."""
    return _table(
        ("cause", "meaning", "takes the certificate away"),
        ((f"`{cause}`", meaning, _takes_program(cause)) for cause, meaning in PROGRAM_CAUSES.items()),
    )


def _takes_program(cause: ProgramCause) -> str:
    if cause in HELD:
        return "only when a person releases it"
    return "yes, at the end of the hold" if cause is ProgramCause.COURSE_LOST else ""


# --- docs/reconciliation.md


def differences() -> str:
    """Render the types of findings of a reconciliation."""
    return _table(
        ("finding", "what differs", "what becomes of it"),
        (
            (f"`{code}`", item.sentence, f"{'Healed' if item.is_healed else 'Reported'}. {item.remedy}")
            for code, item in FINDING_TYPES.items()
        ),
    )


# --- docs/rules.md


def rules() -> str:
    """Render the rules, a row each; a code of its own is the anchor."""
    return _table(
        ("reason code", "demands", "waived by the allowlist", "who fixes it, and how", "decision"),
        (
            (
                f'<a id="{rule.code}"></a>`{rule.code}`',
                rule.requirement,
                "yes" if rule.waived_by_allowlist else "",
                rule.remedy,
                _decision(rule.decided_in),
            )
            for rule in RULES
        ),
    )


def _decision(number: str) -> str:
    """Link a decision record by its number; ValueError unless there is just one."""
    (record,) = DECISIONS.glob(f"{number}-*.md")
    return f"[{number}](decisions/{record.name})"


def statuses() -> str:
    """Render the statuses that are set here."""
    return _table(("status", "meaning"), ((f"`{status}`", meaning) for status, meaning in STATUSES.items()))


def statuses_of_old() -> str:
    """Render the statuses that are only taken over from the old logic."""
    return "\n" + ", ".join(f"`{status}`" for status in Status if status not in STATUSES) + ".\n"


def causes() -> str:
    """Render the causes of transitions, and which of them take a certificate away."""
    return _table(
        ("cause", "meaning", "takes `downloadable` away"),
        (
            (
                f"`{cause}`",
                CAUSES[cause],
                "yes, when a person releases it" if cause in RELEASED else "yes" if cause in REVOKING else "",
            )
            for cause in Cause
        ),
    )


def presets() -> str:
    """Render the policies that have a name."""
    return _table(
        ("preset", "eligible modes", "ID verification", "hold (seconds)"),
        (
            (
                f"`{preset}`",
                _modes(policy.eligible_modes),
                _id_verification(policy.modes_without_id_verification) if policy.id_verification_required else "none",
                str(int(policy.hold.total_seconds())),
            )
            for preset, policy in PRESETS.items()
        ),
    )


def _id_verification(without: Modes) -> str:
    return f"in every mode but {_modes(without)}" if without.names else "in every mode"


def _modes(modes: Modes) -> str:
    names = ", ".join(f"`{mode}`" for mode in sorted(modes.names))
    return f"every mode but {names}" if modes.all_but else names


def _table(heads: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [heads, tuple("---" for _ in heads), *rows]
    return "\n" + "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def commands() -> str:
    """Return the help text of each `certs` command."""
    context = click.Context(main, info_name="certs", terminal_width=100, **main.context_settings)
    sections = [f"## certs\n\n```text\n{main.get_help(context)}\n```"]
    sections += [section for name in sorted(main.commands) for section in _sections(main.commands[name], name, context)]
    return "\n" + "\n\n".join(sections) + "\n"


def _sections(command: click.Command, name: str, parent: click.Context) -> Iterator[str]:
    within = click.Context(command, info_name=name, parent=parent, terminal_width=100)
    yield f"## {within.command_path}\n\n```text\n{command.get_help(within)}\n```"
    if isinstance(command, click.Group):
        for inner in sorted(command.commands):
            yield from _sections(command.commands[inner], inner, within)


# --- import.md


def refused_files() -> str:
    """Return the kinds of files that no import reads, with the fix of each."""
    rows = [(kind.what, ", ".join(f"`{ending}`" for ending in kind.endings), kind.fix) for kind in KINDS]
    return _table(("it is", "such as", "fix"), rows)


def imported_tables() -> str:
    """Return the facts in the rows of each of the platform's tables."""
    lines = []
    for table in TABLES.values():
        columns = ", ".join(f"`{name}`" for name in table.columns)
        lines += ["", f"### {table.name}", "", f"Columns: {columns}.", ""]
        rows = [(fact.fact or "none", fact.value, fact.since, fact.observed_at) for fact in table.facts]
        lines.append(_table(("fact", "value", "counts since", "seen"), rows))
    return "\n".join(lines) + "\n"


def waiting_reasons() -> str:
    """Return the table of the reasons for which a delivery waits."""
    heads = ("reason", "meaning", "what to do", "tried again")
    return _table(
        heads, ((_waiting(reason), row.meaning, row.remedy, _retried(row)) for reason, row in WAITING_REASONS.items())
    )


def _waiting(reason: Waiting) -> str:
    return f'<a id="{reason}"></a>`{reason}`'


def _retried(row: WaitingReason) -> str:
    if row.backs_off:
        return "with back-off; the breaker counts it" if row.is_of_service else "with back-off"
    if row.retried is None:
        return "after a change, or a person's retry"
    minutes = int(row.retried.total_seconds() // 60)
    return f"every {minutes} minutes" if minutes < 60 else f"every {minutes // 60} hours"

"""Our own events that are read, where Open edX has no public event: a row for each, with data, reader and export."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, Literal

from msgspec import UNSET, Struct, UnsetType

from certrules.core.fact_types import Fact, Recorded
from certrules.core.facts import Record
from certrules.core.policy import Modes, Overrides, PolicyError, read_overrides
from certrules.core.terms import PERSON, Cause, RevocationAction, Status, mode_of
from certrules.core.timeline import Entry
from certrules.formats.event_form import (
    EntryBuilder,
    EventContent,
    EventType,
    Export,
    Instant,
    LearnerId,
    Required,
    ShortText,
    Text,
    event_type,
    from_one_entry,
    is_set,
    is_unset,
)
from certrules.formats.learner_names import Name
from certrules.formats.messages import ERASED, EVERYWHERE, NAMED, RENAMED, REQUESTED
from certrules.formats.refusals import Reason, RefusedError
from certrules.formats.stored import as_time

# --- data


class _Act(Struct):
    learner_id: LearnerId
    course_key: str
    by: Text = ""
    notes: Text = ""


class _Revocation(_Act, kw_only=True):
    cause: Cause


class _Switch(Struct):
    course_key: str | None
    by: Text = ""
    notes: Text = ""


class _DateOverride(_Act, kw_only=True):
    date: Instant


class _RecordedCertificate(Struct):
    learner_id: LearnerId
    course_key: str
    status: Status
    mode: ShortText | None = None
    grade: ShortText | float | None = None
    certificate_id: ShortText | None = None
    created: Instant | None = None
    modified: Instant | None = None


class _CourseRun(Struct):
    course_key: str
    web_certificates_enabled: bool | UnsetType = UNSET
    display_behavior: Literal["early_no_info", "end", "end_with_date"] | UnsetType | None = UNSET
    available_date: Instant | UnsetType | None = UNSET
    end: Instant | UnsetType | None = UNSET
    self_paced: bool | UnsetType = UNSET
    policy: Any = UNSET
    rollout: Literal["off", "shadow", "live"] | UnsetType = UNSET
    by: Text = ""
    notes: Text = ""


class _Named(Struct):
    learner_id: LearnerId
    username: ShortText
    name: ShortText


class _Renamed(Struct):
    learner_id: LearnerId
    username: Required


class _Erased(Struct):
    learner_id: LearnerId


# --- read


def _act(fact: Fact, *, value: object) -> Callable[[_Act, EntryBuilder], EventContent]:
    def read(body: _Act, builder: EntryBuilder) -> EventContent:
        course_run = builder.course_run(body.course_key, "course_key")
        return EventContent(body.learner_id, course_run, (builder.entry(fact, value, PERSON, body.by, body.notes),))

    return read


def _revocation(action: RevocationAction) -> Callable[[_Revocation, EntryBuilder], EventContent]:
    def read(body: _Revocation, builder: EntryBuilder) -> EventContent:
        course_run = builder.course_run(body.course_key, "course_key")
        entry = builder.entry(Fact.REVOCATION, action, body.cause, body.by, body.notes)
        return EventContent(body.learner_id, course_run, (entry,))

    return read


def _switch(*, on: bool) -> Callable[[_Switch, EntryBuilder], EventContent]:
    def read(body: _Switch, builder: EntryBuilder) -> EventContent:
        course_run = EVERYWHERE if body.course_key is None else builder.course_run(body.course_key, "course_key")
        return EventContent(None, course_run, (builder.entry(Fact.AUTOMATIC_REVOCATIONS, on, "", body.by, body.notes),))

    return read


def _date_set(body: _DateOverride, builder: EntryBuilder) -> EventContent:
    entry = builder.entry(Fact.DATE_OVERRIDE, builder.utc(body.date, "date"), "", body.by, body.notes)
    return EventContent(body.learner_id, builder.course_run(body.course_key, "course_key"), (entry,))


def _requested(body: _Act, builder: EntryBuilder) -> EventContent:
    return EventContent(body.learner_id, builder.course_run(body.course_key, "course_key"))


def _recorded(body: _RecordedCertificate, builder: EntryBuilder) -> EventContent:
    value = Recorded(
        body.status,
        mode_of(body.mode or ""),
        "" if body.grade is None else str(body.grade),
        body.certificate_id or "",
        builder.utc(body.created, "created") if body.created else None,
        builder.utc(body.modified, "modified") if body.modified else None,
    )
    return EventContent(
        body.learner_id, builder.course_run(body.course_key, "course_key"), (builder.entry(Fact.RECORDED, value),)
    )


def _configured(body: _CourseRun, builder: EntryBuilder) -> EventContent:
    course_run = builder.course_run(body.course_key, "course_key")
    entries = [builder.entry(Fact.COURSE_RUN, value=True, by=body.by, notes=body.notes)]
    for setting in (
        "web_certificates_enabled",
        "display_behavior",
        "available_date",
        "end",
        "self_paced",
        "rollout",
    ):
        value = getattr(body, setting)
        if value is not UNSET:
            value = builder.utc(value, setting) if isinstance(value, datetime) else value
            entries.append(builder.entry(Fact.COURSE_RUN, value, setting, body.by, body.notes))
    if body.policy is not UNSET:
        try:
            policy = read_overrides(body.policy)
        except PolicyError as error:
            field, _, fix = str(error).partition(": ")
            raise RefusedError(Reason.BAD_VALUE, f"course_run.{field}", fix) from error
        entries.append(builder.entry(Fact.COURSE_RUN, policy, "policy", body.by, body.notes))
    return EventContent(None, course_run, tuple(entries))


def _named(body: _Named, _builder: EntryBuilder) -> EventContent:
    return EventContent(body.learner_id, None, (), Name(body.username, body.name))


def _renamed(body: _Renamed, _builder: EntryBuilder) -> EventContent:
    return EventContent(body.learner_id, None, (), Name(body.username, ""))


def _erased(body: _Erased, _builder: EntryBuilder) -> EventContent:
    return EventContent(body.learner_id, None)


# --- write


def _course_run_data(record: Record, entries: Sequence[Entry]) -> dict[str, Any]:
    """Write the settings that one event configured."""
    data: dict[str, Any] = {"course_key": record.course_run, "by": entries[0].by, "notes": entries[0].notes}
    for entry in entries:
        if entry.subject == "policy":
            data["policy"] = None if entry.value is None else _overrides_data(entry.value)
        elif entry.subject in {"available_date", "end"}:
            data[entry.subject] = as_time(entry.value)
        elif entry.subject:
            data[entry.subject] = entry.value
    return data


def _overrides_data(overrides: Overrides) -> dict[str, Any]:
    """Return a course run's policy in the form that core.policy.read_overrides reads."""
    spans = {"hold": "hold_seconds", "breaker_window": "breaker_window_seconds"}
    found: dict[str, Any] = {}
    for name, value in overrides._asdict().items():
        if isinstance(value, Modes):
            names = sorted(value.names)
            found[name] = {"all_but": names} if value.all_but else names
        elif name in spans and value is not None:
            found[spans[name]] = value.total_seconds()
        elif value is not None:
            found[name] = list(value) if isinstance(value, tuple) else value
    return found


def _act_data(record: Record, entry: Entry) -> dict[str, Any]:
    return {
        "learner_id": record.learner_id,
        "course_key": record.course_run,
        "by": entry.by,
        "notes": entry.notes,
    }


_one_act_data = from_one_entry(_act_data)


@from_one_entry
def _date_override_data(record: Record, entry: Entry) -> dict[str, Any]:
    return {**_act_data(record, entry), "date": as_time(entry.value)}


@from_one_entry
def _recorded_data(record: Record, entry: Entry) -> dict[str, Any]:
    value = entry.value
    return {
        "learner_id": record.learner_id,
        "course_key": record.course_run,
        **value._asdict(),
        "created": as_time(value.created),
        "modified": as_time(value.modified),
    }


@from_one_entry
def _revocation_data(record: Record, entry: Entry) -> dict[str, Any]:
    return {**_act_data(record, entry), "cause": entry.subject}


@from_one_entry
def _switch_data(record: Record, entry: Entry) -> dict[str, Any]:
    return {"course_key": record.course_run, "by": entry.by, "notes": entry.notes}


def _is_invalidated_by_person(_record: Record, entry: Entry) -> bool:
    return entry.subject == PERSON and bool(entry.value)


def _is_lifted_by_person(_record: Record, entry: Entry) -> bool:
    return entry.subject == PERSON and not entry.value


def _is_action(action: RevocationAction) -> Callable[[Record, Entry], bool]:
    return lambda _record, entry: entry.value is action


# --- rows

# fmt: off
ALLOWLIST_ADDED = event_type(
    "certificates.allowlist.entry.added.v1", "entry", _Act, _act(Fact.ALLOWLIST, value=True),
    "On the allowlist from now on.",
    export=Export(Fact.ALLOWLIST, _one_act_data, is_set),
    is_act=True,
)
ALLOWLIST_REMOVED = event_type(
    "certificates.allowlist.entry.removed.v1", "entry", _Act, _act(Fact.ALLOWLIST, value=False),
    "No longer on the allowlist.",
    export=Export(Fact.ALLOWLIST, _one_act_data, is_unset),
    is_act=True,
)
INVALIDATION_CREATED = event_type(
    "certificates.invalidation.created.v1", "invalidation", _Act, _act(Fact.INVALIDATION, value=True),
    "Invalidated by a person from now on.",
    export=Export(Fact.INVALIDATION, _one_act_data, _is_invalidated_by_person),
    is_act=True,
)
INVALIDATION_LIFTED = event_type(
    "certificates.invalidation.lifted.v1", "invalidation", _Act, _act(Fact.INVALIDATION, value=False),
    "The person's invalidation is lifted.",
    export=Export(Fact.INVALIDATION, _one_act_data, _is_lifted_by_person),
    is_act=True,
)
DATE_OVERRIDE_SET = event_type(
    "certificates.date_override.set.v1", "override", _DateOverride, _date_set,
    "The certificate shows this date from now on.",
    export=Export(Fact.DATE_OVERRIDE, _date_override_data, is_set),
    is_act=True,
)
DATE_OVERRIDE_REMOVED = event_type(
    "certificates.date_override.removed.v1", "override", _Act, _act(Fact.DATE_OVERRIDE, value=None),
    "The certificate shows its own date again.",
    export=Export(Fact.DATE_OVERRIDE, _one_act_data, is_unset),
    is_act=True,
)
COURSE_RUN_CONFIGURED = event_type(
    "certificates.course_run.configured.v1", "course_run", _CourseRun, _configured,
    "The course run exists and has these settings; what is left out stays as it was.",
    strict=("policy", "rollout"), act_fields=("policy", "rollout"),
    export=Export(Fact.COURSE_RUN, _course_run_data),
)
REVOCATION_HELD = event_type(
    "certificates.revocation.held.v1", "revocation", _Revocation, _revocation(RevocationAction.HELD),
    "The pending revocation with this cause waits for a person, without a due time.",
    export=Export(Fact.REVOCATION, _revocation_data, _is_action(RevocationAction.HELD)),
    is_act=True,
)
REVOCATION_RELEASED = event_type(
    "certificates.revocation.released.v1", "revocation", _Revocation, _revocation(RevocationAction.RELEASED),
    "A person releases the pending revocation with this cause: it takes effect now.",
    export=Export(Fact.REVOCATION, _revocation_data, _is_action(RevocationAction.RELEASED)),
    is_act=True,
)
REVOCATION_DISCARDED = event_type(
    "certificates.revocation.discarded.v1", "revocation", _Revocation, _revocation(RevocationAction.DISCARDED),
    "A person discards the pending revocation with this cause: the certificate stays.",
    export=Export(Fact.REVOCATION, _revocation_data, _is_action(RevocationAction.DISCARDED)),
    is_act=True,
)
REVOCATIONS_STOPPED = event_type(
    "certificates.automatic_revocations.stopped.v1", "switch", _Switch, _switch(on=False),
    "Automatic revocations are held, in the course run or (`course_key` null) everywhere.",
    export=Export(Fact.AUTOMATIC_REVOCATIONS, _switch_data, is_unset),
    is_act=True,
)
REVOCATIONS_RESUMED = event_type(
    "certificates.automatic_revocations.resumed.v1", "switch", _Switch, _switch(on=True),
    "Automatic revocations take effect again; those that were held stay held.",
    export=Export(Fact.AUTOMATIC_REVOCATIONS, _switch_data, is_set),
    is_act=True,
)
GENERATION_REQUESTED = event_type(
    REQUESTED, "request", _Act, _requested,
    "Decide again; changes no fact.",
    is_act=True,
)
CERTIFICATE_RECORDED = event_type(
    "certificates.recorded.v1", "certificate", _RecordedCertificate, _recorded,
    "The old logic has this certificate, with its id and dates.",
    export=Export(Fact.RECORDED, _recorded_data),
)
LEARNER_NAMED = event_type(
    NAMED, "learner", _Named, _named,
    "The learner's username and full name; stored in one item. An empty one changes nothing.",
)
LEARNER_RENAMED = event_type(
    RENAMED, "learner", _Renamed, _renamed,
    "The learner's username is another one from now on; the full name stays.",
)
LEARNER_ERASED = event_type(
    ERASED, "learner", _Erased, _erased,
    "The learner's names are erased; from now on the platform's events and tables bring none.",
    is_act=True,
)
# fmt: on

OWN_EVENTS: tuple[EventType, ...] = (
    ALLOWLIST_ADDED,
    ALLOWLIST_REMOVED,
    INVALIDATION_CREATED,
    INVALIDATION_LIFTED,
    DATE_OVERRIDE_SET,
    DATE_OVERRIDE_REMOVED,
    COURSE_RUN_CONFIGURED,
    REVOCATION_HELD,
    REVOCATION_RELEASED,
    REVOCATION_DISCARDED,
    REVOCATIONS_STOPPED,
    REVOCATIONS_RESUMED,
    GENERATION_REQUESTED,
    CERTIFICATE_RECORDED,
    LEARNER_NAMED,
    LEARNER_RENAMED,
    LEARNER_ERASED,
)

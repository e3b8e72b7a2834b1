"""Who may send which event. The bus's policy refuses the rest; this looks once more when an event is read.

The platform's sources send facts. An act of a person (on the allowlist, an invalidation, a date, a held revocation, a
switch) comes from support's API or from a source of the platform that may act for people. Nobody but this service uses
its own sources.
"""

from collections.abc import Iterable
from typing import Any, NamedTuple

from msgspec import UNSET

from certrules.formats.event_form import EventType, Metadata
from certrules.formats.lenient import LeftOut
from certrules.formats.messages import OWN_SOURCE, REQUESTED, SUPPORT_SOURCE
from certrules.formats.refusals import Reason, RefusedError, Sender

_OWN_NAME = "only this service sends events under its name: find out who sent this one"
_NO_ACTOR = (
    "this source may not act for people: if it may, name it in the stack's parameter ActingSources and send the event "
    "again; if not, find out who sent it"
)


class TrustedSenders(NamedTuple):
    """The sources and accounts that a deployment names. A source that ends with * stands for any ending."""

    sources: tuple[str, ...]  # of the platform
    acting_sources: tuple[str, ...]  # of the platform, that may act for people
    own_account: str
    accounts: frozenset[str]  # of the platform: the own one, too

    def refuse_untrusted(self, event_type: EventType, sender: Sender) -> bool:
        """Return whether a sender may act for people. Raises RefusedError if it may not send events of this type."""
        if is_of_service(sender.source):
            self._refuse_other_services(event_type, sender)
            return True
        if sender.account and sender.account not in self.accounts:
            raise RefusedError(
                Reason.SOURCE_NOT_TRUSTED, "account", _unless_named("account", "PlatformAccounts"), sender
            )
        may_act = _is_among(sender.source, self.acting_sources)
        if not may_act and not _is_among(sender.source, self.sources):
            fix = _unless_named("source", "PlatformSources")
            raise RefusedError(Reason.SOURCE_NOT_TRUSTED, sender.field, fix, sender)
        if event_type.is_act and not may_act:
            raise RefusedError(Reason.SOURCE_NOT_TRUSTED, sender.field, _NO_ACTOR, sender)
        return may_act

    def _refuse_other_services(self, event_type: EventType, sender: Sender) -> None:
        """Raise RefusedError for a source of this service that doesn't send this event, or not in this way."""
        if sender.is_of_bus:
            is_support = sender.source == SUPPORT_SOURCE and sender.account in {"", self.own_account}
            is_sent = is_support and (event_type.is_act or bool(event_type.act_fields))
        else:  # on the queue itself, functions only request decisions
            is_sent = sender.source != SUPPORT_SOURCE and event_type.name == REQUESTED
        if not is_sent:
            raise RefusedError(Reason.SOURCE_NOT_TRUSTED, sender.field, _OWN_NAME, sender)


def is_published_here(metadata: Metadata, sender: Sender) -> bool:
    """Whether this service published an event. Raises RefusedError for one that only pretends to be of this service.

    Such an event has a source of this service in `metadata` or in its envelope, but not in both; or it is of a type
    that this service never publishes.
    """
    if sender.source != metadata.source and (is_of_service(sender.source) or is_of_service(metadata.source)):
        field = "metadata.source" if is_of_service(metadata.source) else sender.field
        raise RefusedError(Reason.SOURCE_NOT_TRUSTED, field, _OWN_NAME, sender)
    if sender.source != OWN_SOURCE:
        return False
    from certrules.formats.events_out import EVENTS_OUT  # noqa: PLC0415 - the platform's events don't wait for it

    if metadata.event_type not in EVENTS_OUT:
        raise RefusedError(Reason.SOURCE_NOT_TRUSTED, sender.field, _OWN_NAME, sender)
    return True


def read_without_acts(event_type: EventType, data: Any, sender: Sender) -> list[LeftOut]:
    """Take the actor out of the data of an event whose sender may not act for people; name the field if it was there.

    Raises RefusedError if the data has fields that only who acts for people may send.
    """
    for field in event_type.act_fields:
        if getattr(data, field) is not UNSET:
            raise RefusedError(Reason.SOURCE_NOT_TRUSTED, f"{event_type.key}.{field}", _NO_ACTOR, sender)
    if not getattr(data, "by", ""):
        return []
    data.by = ""
    return [LeftOut("by", "the event's source may not act for people")]


def _unless_named(what: str, parameter: str) -> str:
    return (
        f"events of this {what} are not taken in: if it is the platform's, name it in the stack's parameter "
        f"{parameter} and send the event again; if not, find out who sent it"
    )


def is_of_service(source: str) -> bool:
    """Whether a source is this service, or a part of it."""
    return source == OWN_SOURCE or source.startswith(f"{OWN_SOURCE}/")


def _is_among(source: str, named: Iterable[str]) -> bool:
    return any(source.startswith(one[:-1]) if one.endswith("*") else source == one for one in named)

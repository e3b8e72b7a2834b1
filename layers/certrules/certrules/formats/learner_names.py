"""The stored names of a learner: how entries of events and tables are added, and what was erased stays erased.

Username and full name are two values, each with the time since which it is known: the newest counts, in whatever order
the entries arrive. There are two kinds of entries:
- *sent*: of this service's own events, which are sent in order to name or rename somebody;
- *seen*: what the platform's events (`pii`) and tables have along with what they are about.

An erasure removes what was sent until then and all that was seen, and from then on nothing that is seen is stored. Only
an event that is sent later names the learner again. So a platform that goes on to send the name doesn't bring it back.
"""

from datetime import datetime
from typing import Any, NamedTuple

import msgspec
from msgspec import Struct

from certrules.core.instants import micros

MOST_CHARACTERS = 255
"""A longer name is not stored."""

RETIRED = "retired__user_"
"""The beginning of the usernames that Open edX gives to learners whose accounts were deleted."""

_PLATFORM = "org.openedx.learning."


class Name(NamedTuple):
    """Personal data of a learner, stored in one item that can be erased. Empty: not known."""

    username: str
    name: str


class _Dated(NamedTuple):
    at: int  # microseconds since 1970: since when it is known
    text: str


class LearnerName(Struct, frozen=True, omit_defaults=True):
    """The stored names of a learner. Any order and any number of times of the same entries give the same one."""

    sent_username: _Dated | None = None
    sent_name: _Dated | None = None
    seen_username: _Dated | None = None
    seen_name: _Dated | None = None
    former_username: _Dated | None = None  # the newest that isn't the current one
    former_sent_username: _Dated | None = None  # of those that were sent: what an erasure may leave
    erased_at: int | None = None  # microseconds since 1970

    @property
    def current(self) -> Name:
        """The newest username and the newest full name."""
        return Name(*(item.text if item else "" for item in (self._username, self._name)))

    @property
    def _username(self) -> _Dated | None:
        return _newest(self.sent_username, self.seen_username)

    @property
    def _name(self) -> _Dated | None:
        return _newest(self.sent_name, self.seen_name)

    def sent(self, name: Name, at: datetime) -> "LearnerName":
        """Return it with a name that an event was sent for, true from `at` (UTC) on."""
        if name.username.startswith(RETIRED):
            return self.erased(at)
        since = micros(at)
        if self.erased_at is not None and since <= self.erased_at:
            return self
        username = _dated(since, name.username)
        return msgspec.structs.replace(
            self,
            sent_username=_newest(self.sent_username, username),
            sent_name=_newest(self.sent_name, _dated(since, name.name)),
            former_username=_former(self._username, self.former_username, username),
            former_sent_username=_former(self.sent_username, self.former_sent_username, username),
        )

    def seen(self, name: Name, at: datetime) -> "LearnerName":
        """Return it with a name that came along with something else at `at` (UTC): the same, if the name is known.

        A username that the platform gives to deleted accounts erases.
        """
        if name.username.startswith(RETIRED):
            return self.erased(at)
        if self.erased_at is not None:
            return self
        since = micros(at)
        username = _dated(since, name.username)
        return msgspec.structs.replace(
            self,
            seen_username=_seen(self._username, self.seen_username, username),
            seen_name=_seen(self._name, self.seen_name, _dated(since, name.name)),
            former_username=_former(self._username, self.former_username, username),
        )

    def erased(self, at: datetime) -> "LearnerName":
        """Return it without what was sent until `at` (UTC), and without all that was ever seen."""
        until = max(micros(at), self.erased_at or 0)
        sent = self.sent_username, self.sent_name, self.former_sent_username
        username, name, former = (item if item and item.at > until else None for item in sent)
        return LearnerName(username, name, former_username=former, former_sent_username=former, erased_at=until)


def _dated(at: int, text: str) -> _Dated | None:
    return _Dated(at, text) if text else None


def _newest(*items: _Dated | None) -> _Dated | None:
    """Return the newest; of two of one time, the one that is later in the alphabet."""
    return max(filter(None, items), default=None)


def _former(current: _Dated | None, before: _Dated | None, new: _Dated | None) -> _Dated | None:
    """Return the newest username that isn't the current one, when a new one has come."""
    newest = _newest(current, new)
    others = (item for item in (current, before, new) if item and newest and item.text != newest.text)
    return _newest(*others)


def _seen(current: _Dated | None, before: _Dated | None, new: _Dated | None) -> _Dated | None:
    """Return the new one if it changes the current one; a text that is current already changes nothing."""
    if new is None or (current is not None and (new <= current or new.text == current.text)):
        return before
    return new


# --- as it is stored


_decoder = msgspec.json.Decoder(LearnerName)
_sent_alone = msgspec.json.Decoder(Name)
NOTHING = LearnerName()


def decode_name(stored: str | None, changed_at: float | None) -> LearnerName:
    """Return the names that an item holds: its text, and the time (microseconds) beside it.

    Releases that stored sent names alone wrote `["username","name"]`, and the time of the last event beside it.
    """
    if stored is None:
        return NOTHING if changed_at is None else LearnerName(erased_at=int(changed_at))
    if stored.startswith("["):
        name, at = _sent_alone.decode(stored), int(changed_at or 0)
        return LearnerName(_dated(at, name.username), _dated(at, name.name))
    return _decoder.decode(stored)


def encode_name(name: LearnerName) -> str | None:
    """Return the text to store; None if there is no name."""
    if name.current == Name("", ""):
        return None
    return msgspec.json.encode(name).decode()


# --- as events have it


class _User(Struct):
    pii: Any = None


class _Data(Struct):
    user: _User | None = None
    student_user: _User | None = None


_data = msgspec.json.Decoder(_Data)


def name_in(event_type: str, data: bytes) -> Name | None:
    """Return the name that the platform sends along with whom an event is about; None if there is none.

    The e-mail is not read. What is no usable text counts as not sent.
    """
    if not event_type.startswith(_PLATFORM) or b"pii" not in data:
        return None
    try:
        found = _data.decode(data)
    except msgspec.DecodeError:
        return None
    user = found.user or found.student_user
    if user is None or not isinstance(user.pii, dict):
        return None
    return usable(Name(user.pii.get("username"), user.pii.get("name")))  # type: ignore[arg-type] # it is any JSON yet


def usable(name: Name) -> Name | None:
    """Return a name without what can't be one: no text, too long, or with characters that don't show; None: nothing."""
    found = Name(*map(_usable, name))
    return None if found == Name("", "") else found


def _usable(text: Any) -> str:
    text = text.strip() if isinstance(text, str) else ""
    return text if len(text) <= MOST_CHARACTERS and text.isprintable() else ""

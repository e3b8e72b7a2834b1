"""Requests of people with an idempotency key: each is done once, or refused."""

import unicodedata
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from uuid import NAMESPACE_OID, uuid5

import msgspec

from certrules import storage
from certrules.formats.stored import as_time

REMEMBERED = timedelta(days=7)
"""How long an act is remembered by the key that it was asked for with."""


def event_id_of(*names: object) -> str:
    """Return the same event id for the same names: an act that is asked for twice happens once."""
    return str(uuid5(NAMESPACE_OID, msgspec.json.encode([str(name) for name in names]).decode()))


def identity(actor: str) -> str:
    """Return one name for a person, however their identity provider writes it."""
    return unicodedata.normalize("NFKC", actor).casefold().strip()


def remembered(by: str, key: str, request: object, now: datetime, planned: Callable[[str], tuple[Any, Any]]) -> Any:
    """Return a person's request with a key: its plan, answer, name and instant (UTC), those of the first time.

    `planned` is given the name, which is the same whenever it is asked, and returns plan and answer. Raises what it
    raises, LostRaceError (ask again), and RefusedActError if the key was for something else.
    """
    name = event_id_of("act", by, key)
    item = storage.find_note(f"K#{name}", "-")
    if item.v:
        stored = msgspec.json.decode(item.b)
        refuse_another_use(stored["asked"], request)
    else:
        plan, answer = planned(name)
        stored = {"asked": request, "plan": plan, "answer": answer, "at": as_time(now)}
        storage.save_note(item, stored, now + REMEMBERED)
    at = datetime.fromisoformat(stored["at"]) if "at" in stored else now  # an earlier release stored none
    return {**stored, "name": name, "at": at}


def refuse_another_use(stored: object, request: object) -> None:
    """Raise RefusedActError if the key was used for another request."""
    if stored != msgspec.json.decode(msgspec.json.encode(request)):
        raise RefusedActError(422, "this key was used for something else", "use a new one", "Idempotency-Key")


class RefusedActError(Exception):
    """A request that can't be done. `field` is where it is wrong, `fix` the way out; `status` is HTTP's."""

    def __init__(self, status: int, title: str, fix: str, field: str = "") -> None:
        """Refuse, with the way out."""
        super().__init__(f"{title}: {fix}")
        self.status, self.title, self.fix, self.field = status, title, fix, field

"""The page that asks before a form of the console acts: what it will do, to how many and to whom.

A form acts when it comes back with `seen`, the digest of what the page showed. If that would be shown otherwise by now,
the page asks again: nobody confirms what they did not see.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from hashlib import sha256
from http import HTTPStatus
from typing import NamedTuple
from uuid import uuid4

from aws_lambda_powertools.event_handler import Response

from application import app, scopes
from certrules.requests import RefusedActError
from certrules.support.acts import Done
from certrules.support.learners import usernames_of
from pages import link, page, see

MOST_NAMES = 100
"""How many of whom an act is about are listed; all are counted."""


class Step(NamedTuple):
    """What a form is about to do."""

    title: str
    sentence: str
    button: str
    back: str  # the address to return to without acting
    names: Sequence[tuple[str, str]] = ()  # the address and the text of each that it is about
    notes: Sequence[str] = ()
    danger: bool = False
    scope: str = "act"  # what it takes
    more: int = 0  # about how many others it is, which `names` leaves out
    listed: str = ""  # the address of a page that lists all of them
    asks_why: bool = False  # whether the page asks for the reason, since no form before it did

    @property
    def seen(self) -> str:
        """The digest of what is shown."""
        return sha256(
            repr((self.title, self.sentence, self.button, list(self.names), self.more, list(self.notes))).encode()
        ).hexdigest()


def named(learner_id: int, usernames: Mapping[int, str]) -> str:
    """Return a learner's id, with the username where it is known."""
    return " ".join(filter(None, (str(learner_id), usernames.get(learner_id))))


def names_in_cases(rows: Iterable[tuple[int, str, str]]) -> list[tuple[str, str]]:
    """Return the names of a step that is about cases: each has a learner, a course run, and a text about them.

    The first MOST_NAMES have usernames beside the ids: the others are not shown.
    """
    listed = list(rows)
    usernames = usernames_of(learner_id for learner_id, _, _ in listed[:MOST_NAMES])
    return [
        (
            link("/case", learner_id=learner_id, course_run=course_run),
            f"{named(learner_id, usernames)}: {text}",
        )
        for learner_id, course_run, text in listed
    ]


def asked_first(step: Step, fields: Mapping[str, str]) -> Response[str] | None:
    """Return the page that asks; None if the form was confirmed, and what was seen still stands."""
    seen = fields.get("seen", "")
    if seen == step.seen:
        return None
    again = {name: value for name, value in fields.items() if name not in {"seen", "key"}}
    return page(
        "confirm.html",
        HTTPStatus.CONFLICT if seen else HTTPStatus.OK,
        step=step,
        stale=bool(seen),
        fields=again,
        path=app.current_event.path,
        key=fields.get("key") or uuid4(),
        most=MOST_NAMES,
        allowed=step.scope in scopes(),
    )


def done_if_seen(
    field: str, seen: object, act: Callable[[], Done], ask_again: Callable[[], Response[str]]
) -> Response[str]:
    """Do an act whose preview was seen, and show what comes of it; if what it rests on is another by now, ask again.

    `field` names what the preview rested on, in the form and in the refusal of another; `seen` is its value.
    Raises RefusedActError.
    """
    if seen is None:
        raise RefusedActError(
            422, f"the form names no {field}", "open the page that it is on, and choose the act there", field
        )
    try:
        return see("/result", entry=act().entry)
    except RefusedActError as error:
        if error.field != field:
            raise
        return ask_again()

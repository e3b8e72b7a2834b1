"""The history of a case for people: facts, acts, changes of the certificate and their deliveries in one list."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from certrules.core.explain.explanation import Explanation
from certrules.core.explain.timeline import Moment
from certrules.core.fact_types import Fact
from certrules.core.terms import is_person
from certrules.core.wording import when
from certrules.formats.words import words_of
from certrules.support.case_history import Published

KINDS = ("facts", "acts", "published", "delivered")
"""By what the history can be filtered. A change that a person caused is an act, too."""


class Entry(NamedTuple):
    """A row of the history."""

    at: datetime  # UTC
    sentence: str  # without its date and its event
    kinds: frozenset[str]
    event_id: str = ""
    moment: int | None = None  # its place among the moments of the explanation
    status: str = ""  # of a change of the certificate: the new one
    published: Published | None = None
    is_configuration: bool = False


def entries_of(explanation: Explanation, history: Sequence[Published], record: dict[str, Any] | None) -> list[Entry]:
    """Return the history of a case, newest first. `record` is the learner's record in JSON; None: there is none."""
    unmatched = [*history]
    found = [_of_moment(place, moment, unmatched) for place, moment in enumerate(explanation.timeline)]
    found += [_of_published(item) for item in unmatched]
    delivery = record["delivery"] if record else None
    if delivery and delivery["acknowledged_at"]:
        at = datetime.fromisoformat(delivery["acknowledged_at"])
        found.append(Entry(at, delivery["sentence"], frozenset({"delivered"})))
    return [entry for _, entry in sorted(enumerate(found), key=lambda item: (item[1].at, item[0]), reverse=True)]


def counts_of(entries: Sequence[Entry]) -> Counter[str]:
    """Return how many entries there are of each kind."""
    return Counter(kind for entry in entries for kind in entry.kinds)


def _of_moment(place: int, moment: Moment, unmatched: list[Published]) -> Entry:
    kinds = {"acts" if is_person(moment.by) else "facts"}
    published = None
    if moment.kind == "transition":
        published = next(
            (i for i in unmatched if (i.kind, i.at, i.status) == (moment.kind, moment.at, moment.value)), None
        )
        kinds -= {"facts"}
    if published is not None:
        unmatched.remove(published)
        kinds |= _kinds_of(published)
    sentence = moment.sentence.replace(f" (event {moment.event_id})", "").replace(f" on {when(moment.at)}", "", 1)
    is_configuration = moment.kind == "policy" or moment.fact == Fact.COURSE_RUN
    status = moment.value if moment.kind == "transition" else ""
    return Entry(moment.at, sentence, frozenset(kinds), moment.event_id, place, status, published, is_configuration)


def _of_published(item: Published) -> Entry:
    """Return what was published without a transition that the facts known today carry, or a held revocation."""
    status, cause = words_of("status", item.status), words_of("cause", item.cause)
    sentence = f"Certificate published as {status}: {cause}."
    if item.kind == "held":
        sentence = f"Revocation held for a person to decide: {cause}."
    acts = {"acts"} if is_person(item.by) else set()
    return Entry(item.at, sentence, _kinds_of(item) | acts, status=item.status, published=item)


def _kinds_of(item: Published) -> frozenset[str]:
    return frozenset({"published"} if item.published_at is None else {"published", "delivered"})

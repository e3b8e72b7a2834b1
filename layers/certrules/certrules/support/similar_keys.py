"""Keys of course runs by a part of them, or by another key that is similar."""

from collections.abc import Callable, Iterable, Iterator
from difflib import get_close_matches
from heapq import nsmallest
from itertools import islice

from certrules import settings, storage
from certrules.core.fact_types import Fact
from certrules.core.rollout import rollout_state
from certrules.core.timeline import Timeline
from certrules.core.wording import listed
from certrules.formats.key_spellings import folded
from certrules.requests import RefusedActError

MOST_KEYS = 200
"""How many keys a part of one finds at most."""

_SHORTEST = 2
"""How many characters a part of a key has at least: one letter is in nearly every key."""

_MOST_COMPARED = 500
_MOST_SIMILAR = 6


def containing(parts: Iterable[str], keys: Iterable[str]) -> list[str]:
    """Return the keys that have all these parts in them, in any case, sorted; none for parts of one letter."""
    wanted = [folded(part) for part in parts]
    if not wanted or min(map(len, wanted)) < _SHORTEST:
        return []
    return nsmallest(MOST_KEYS, (key for key in keys if _has_all(folded(key), wanted)))


def _has_all(form: str, wanted: Iterable[str]) -> bool:
    return all(part in form for part in wanted)


def similar_to(course_run: str, known: Iterable[str]) -> list[str]:
    """Return the known keys that may be meant by one of which nothing is known, the most similar first.

    Compared are those that share a piece (organization, course or run) with it, in any case, and of them the first.
    """
    form = folded(course_run)
    pieces = set(form.split("+"))
    alike = islice((key for key in known if pieces & set(folded(key).split("+"))), _MOST_COMPARED)
    forms = {folded(key): key for key in alike}
    return [forms[close] for close in get_close_matches(form, forms, _MOST_SIMILAR, 0.6)]


def is_known(course_run: str) -> bool:
    """Whether anything was received of a course run: two requests at most."""
    loaded = storage.load(course_runs=[course_run]).course_runs
    return bool(loaded[course_run].timeline or storage.learners_page(course_run, None, 1)[0])


def refuse_unknown(course_run: str) -> None:
    """Refuse a course run of which nothing was received. Raises RefusedActError with the keys that may be meant."""
    if not is_known(course_run):
        alike = similar_to(course_run, storage.course_runs())
        fix = f"similar keys are {listed(alike)}" if alike else "compare the key with the platform's"
        raise RefusedActError(404, f"nothing was received of the course run {course_run}", fix, "course_run")


def described[T](course_runs: list[str], make: Callable[[str, str], T]) -> list[T]:
    """Return what is made of each course run and of what distinguishes it: a request for each hundred."""
    loaded = storage.load(course_runs=course_runs).course_runs if course_runs else {}
    return [make(key, _detail(loaded[key].timeline)) for key in course_runs]


def _detail(timeline: Timeline) -> str:
    if not timeline:
        return "its configuration was never received"
    return ", ".join(_parts(timeline))


def _parts(timeline: Timeline) -> Iterator[str]:
    values = {entry.subject: entry.value for entry in timeline if entry.fact is Fact.COURSE_RUN}
    if (self_paced := values.get("self_paced")) is not None:
        yield "self-paced" if self_paced else "instructor-paced"
    if end := values.get("end"):
        yield f"ends {end:%Y-%m-%d}"
    yield f"rollout {rollout_state(timeline, settings.default_rollout()).rollout}"

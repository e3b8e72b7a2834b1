"""Other spellings of a course run's key: in another case, or in the old style (Org/Course/Run).

The platform's database compares keys without case, so a producer may send one key in two spellings. Here they are two
course runs, and whoever looks for one of them has to see that there is the other.
"""

from collections.abc import Sequence

from certrules import storage
from certrules.core.fact_types import Fact
from certrules.core.timeline import Timeline
from certrules.core.wording import listed
from certrules.formats.key_spellings import folded, other_spellings
from certrules.requests import RefusedActError
from certrules.storage import Pair

_NEEDED = frozenset({Fact.ENROLLMENT, Fact.PASSING, Fact.COURSE_RUN})
"""What is missing of a learner in a course run, if some of it came under another spelling."""


def spellings_for(pair: Pair, timeline: Timeline) -> tuple[str, ...]:
    """Return other spellings of a case's course run, of which something is known, if the case lacks a core fact.

    None of these facts is missing: no request. Else one, for the learner's course runs. If the course run's
    configuration is missing and the learner has none of another spelling: four more, for all course runs.
    """
    received = {entry.fact for entry in timeline}
    if received >= _NEEDED:
        return ()
    found = other_spellings(pair.course_run, storage.course_runs_of(pair.learner_id))
    if found or Fact.COURSE_RUN in received:
        return found
    return spellings_of(pair.course_run)


def spellings_of(course_run: str) -> tuple[str, ...]:
    """Return other spellings of a course run whose configuration was received: a request for each of four shards."""
    return other_spellings(course_run, storage.course_runs())


def refuse_other_spelling(course_runs: Sequence[str]) -> None:
    """Refuse a course run of which nothing is known, if something is known of another spelling of its key.

    One request for each hundred; more only if one is unknown. Raises RefusedActError.
    """
    loaded = storage.load(course_runs=course_runs).course_runs
    unknown = [key for key in course_runs if not loaded[key].timeline]
    if not unknown:
        return
    forms = {folded(key) for key in unknown}
    known = [key for key in storage.course_runs() if folded(key) in forms]
    for key in unknown:
        others = other_spellings(key, known)
        if others and not storage.learners_page(key, None, 1)[0]:
            raise RefusedActError(404, f"nothing is known of the course run {key}", fix_of(others), "course_run")


def fix_of(others: Sequence[str]) -> str:
    """Return the fix where a key was used of which nothing is known."""
    return f"name the key as it is known: {listed([*others])}"

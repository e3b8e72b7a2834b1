"""What was published and did not arrive: found by certificate or by course run and time, and sent again.

The support function may not send events in this service's name. It marks history items, and the stream from which
`publish` reads delivers them again: the same events, under the same ids, to every consumer.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple

import msgspec

from certrules import aws, storage
from certrules.core.instants import BEGINNING
from certrules.formats.stored import as_time
from certrules.requests import RefusedActError
from certrules.storage import Pair
from certrules.support.standings import ANYBODY, Filter, all_learners_by, learners_by, summary_of

MOST_CERTIFICATES = 1_000
"""Of how many certificates of a course run what was published is looked for: a request for each."""

MOST_CHANGES = 1_000
"""How many changes are sent again at once: a request for each."""


class Change(NamedTuple):
    """A change of a certificate that was published, or a revocation that was held."""

    pair: Pair
    number: int  # its place in the certificate's history, from 1
    at: datetime  # UTC
    status: str
    kind: str  # transition, or held


def changes_between(
    course_run: str, learner_id: int | None, since: datetime | None, until: datetime | None, now: datetime
) -> list[Change]:
    """Return the changes of a learner's certificate, or (None) of all in a course run, in [since, until) (UTC).

    A request for each certificate. Raises RefusedActError if there are too many to be looked at or sent at once.
    """
    if learner_id is None and since is None:
        raise RefusedActError(422, "since when?", "give an instant from which on changes are sent again", "since")
    pairs = [Pair(learner_id, course_run)] if learner_id is not None else _certificates(course_run, now)
    begin, end = since or BEGINNING, until or now
    changes = [change for found in aws.each(_changes_of, pairs) for change in found if begin <= change.at < end]
    if len(changes) > MOST_CHANGES:
        title = f"{len(changes)} changes are more than are sent again at once ({MOST_CHANGES})"
        raise RefusedActError(409, title, "choose a shorter time", "since")
    return changes


def _certificates(course_run: str, now: datetime) -> list[Pair]:
    summary = summary_of(course_run, now, is_fresh=True)
    which = Filter(status=ANYBODY)
    rows = all_learners_by(
        lambda place, limit: learners_by(course_run, summary, which, place, limit), MOST_CERTIFICATES + 1
    )
    pairs = [Pair(row["learner_id"], course_run) for row in rows]
    if len(pairs) > MOST_CERTIFICATES or summary.stored > summary.counted:
        title = f"the course run has more than {MOST_CERTIFICATES} certificates, or some that are not counted yet"
        fix = "send those of one learner again; or have an operator replay the bus's archive to the consumer's rule"
        raise RefusedActError(409, title, fix, "course_run")
    return pairs


def _changes_of(pair: Pair) -> list[Change]:
    found = []
    for item in storage.history_items_of(pair):
        body = msgspec.json.decode(item.b)
        if body["kind"] != "tripped":
            at = datetime.fromisoformat(body["at"])
            found.append(Change(pair, storage.place_of(item)[1], at, body["certificate"]["status"], body["kind"]))
    return found


def send_again(changes: Iterable[Change], now: datetime) -> None:
    """Have changes sent again (UTC): a request for each. A retry is safe. Raises PynamoDB's errors."""
    at = as_time(now) or ""
    aws.each(lambda change: storage.send_history_again(change.pair, change.number, at), changes)

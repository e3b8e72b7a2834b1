"""What an import would publish: the records of its parts are decided with its facts, and nothing is saved.

Only course runs that are live publish. Whoever imports into them sees this first, and accepts it.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from itertools import batched
from typing import Any, NamedTuple

from certrules import aws, importing, settings, storage
from certrules.core.certificate import Certificate
from certrules.core.deciding import decide_record
from certrules.core.fact_types import Fact
from certrules.core.policy import Policies
from certrules.core.rollout import rollout_state
from certrules.core.terms import Rollout
from certrules.core.timeline import Timeline, TimelineFullError, merge
from certrules.formats.table_rows import Observation, TableRow, entries_from, standing
from certrules.ingestion import is_deciding
from certrules.storage import BATCH_GET_KEYS, Pair


class WouldPublish(NamedTuple):
    """A certificate that an import would publish."""

    learner_id: int
    course_run: str
    before: str | None  # its status; None: there is none
    after: str
    is_new_id: bool  # the learner had no certificate with an id here, and the import brings none


@dataclass(slots=True)
class PartPreview:
    """What a part would publish. The field names are those of its JSON."""

    live: list[str] = field(default_factory=list)  # course runs that it names and that are live
    new: list[str] = field(default_factory=list)  # course runs that it is the first to name: they begin in shadow
    settings_changed: list[str] = field(default_factory=list)  # live course runs whose learners are decided again
    is_any_live: bool = False  # whether any course run is live, named or not
    published: list[WouldPublish] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """Return it in the form of its file."""
        lists = {name: getattr(self, name) for name in self.__slots__}
        return {**lists, "published": [item._asdict() for item in self.published]}


def preview_part(folder: aws.Folder, part: str, course_runs: str, policies: Policies, at: str) -> PartPreview:
    """Decide the records of a part as of `at`, and write what they would publish.

    `course_runs` is the part with the course runs. Of this one itself, find those that are live or new.
    """
    configurations = {row.course_run: row.observations for row in importing.rows_of(folder, course_runs)}
    if part == course_runs:
        preview = _of_course_runs({name: seen for name, seen in configurations.items() if name is not None})
    else:
        learners = _Learners(policies, datetime.fromisoformat(at), configurations)
        preview = PartPreview(published=list(learners.would_publish(importing.rows_of(folder, part))))
    folder.write_json(f"preview/{part}.json", preview.as_json())
    return preview


def _of_course_runs(observed: Mapping[str, tuple[Observation, ...]]) -> PartPreview:
    preview = PartPreview()
    for name, timeline in _configurations(observed):
        if not timeline:
            preview.new.append(name)
        elif _is_live(timeline):
            preview.live.append(name)
            if any(is_deciding(entry) for entry in entries_from(timeline, observed[name])):
                preview.settings_changed.append(name)
    preview.is_any_live = bool(preview.live) or any(
        _is_live(timeline) for _, timeline in _configurations(storage.course_runs())
    )
    return preview


def _configurations(course_runs: Iterable[str]) -> Iterator[tuple[str, Timeline]]:
    for batch in batched(course_runs, BATCH_GET_KEYS, strict=False):
        found = storage.load(course_runs=batch).course_runs
        yield from ((name, found[name].timeline) for name in batch)


def _is_live(configuration: Timeline) -> bool:
    return rollout_state(configuration, settings.default_rollout()).rollout is Rollout.LIVE


class _Learners:
    """Decides the records of learners with what an import brings."""

    def __init__(
        self, policies: Policies, as_of: datetime, configurations: Mapping[str | None, tuple[Observation, ...]]
    ) -> None:
        self._policies = policies
        self._as_of = as_of
        self._configurations = configurations
        self._live: dict[str, bool] = {}

    def would_publish(self, rows: Iterable[TableRow]) -> Iterator[WouldPublish]:
        """Yield what the rows would publish, also in course runs that they don't name."""
        observed = {(row.learner_id, row.course_run): row.observations for row in rows}
        for batch in batched(self._pairs(observed), BATCH_GET_KEYS // 3, strict=False):
            loaded = storage.load(batch)
            for pair in batch:
                found = self._decide(pair, loaded, observed)
                if found is not None:
                    yield found

    def _pairs(self, observed: Mapping[tuple[int | None, str | None], object]) -> Iterator[Pair]:
        """Yield the records in live course runs: those that are named, and all of learners with an ID verification."""
        self._find_live(course_run for _, course_run in observed if course_run is not None)
        for learner_id, course_run in observed:
            if learner_id is None or not (course_run or observed[learner_id, course_run]):
                continue  # a learner's name alone publishes nothing
            if course_run is not None:
                named = [course_run]
            else:
                named = [other for other in storage.course_runs_of(learner_id) if (learner_id, other) not in observed]
                self._find_live(named)
            yield from (Pair(learner_id, name) for name in named if self._live[name])

    def _find_live(self, course_runs: Iterable[str]) -> None:
        unknown = {name for name in course_runs if name not in self._live}
        self._live |= {name: bool(timeline) and _is_live(timeline) for name, timeline in _configurations(unknown)}

    def _decide(
        self,
        pair: Pair,
        loaded: storage.Loaded,
        observed: Mapping[tuple[int | None, str | None], tuple[Observation, ...]],
    ) -> WouldPublish | None:
        known = loaded.known(pair, self._policies, settings.default_rollout())
        own = observed.get(pair, ())
        timeline = standing(known.timeline, own)
        known = known._replace(
            timeline=timeline,
            id_verification=_with(known.id_verification, observed.get((pair.learner_id, None), ())),
            configuration=_with(known.configuration, self._configurations.get(pair.course_run, ())),
        )
        try:
            decided = decide_record(known, entries_from(timeline, own), self._as_of)
        except TimelineFullError:  # the import names what it could not take
            return None
        if not decided.publication.new_transitions:
            return None
        before, after = known.published.certificate, decided.publication.published.certificate
        assert after is not None
        return WouldPublish(*pair, _status(before), after.status, not _is_recorded(after, before, decided.timeline))


def _with(timeline: Timeline, observations: Iterable[Observation]) -> Timeline:
    return merge(timeline, entries_from(timeline, observations))


def _status(certificate: Certificate | None) -> str | None:
    return None if certificate is None else str(certificate.status)


def _is_recorded(certificate: Certificate, before: Certificate | None, timeline: Timeline) -> bool:
    """Whether the id of a certificate is one that the learner has already."""
    ids = {entry.value.certificate_id for entry in timeline if entry.fact is Fact.RECORDED}
    return certificate.certificate_id in ids | {before.certificate_id if before else ""}

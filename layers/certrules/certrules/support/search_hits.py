"""What a search finds, and how it is shown: cases, learners, course runs, programs, bulk runs and revocations."""

from collections.abc import Mapping
from typing import Literal, NamedTuple

from certrules.core.wording import status_text, when
from certrules.formats.search_text import SearchText
from certrules.storage import Pair, StoredRecord
from certrules.support.learners import FoundLearner

type HitKind = Literal["case", "learner", "course_run", "program", "revocation", "bulk_run"]


class Hit(NamedTuple):
    """Something that was found, with what distinguishes it from others."""

    kind: HitKind
    title: str
    detail: str
    learner_id: int | None = None
    course_run: str | None = None
    id: str | None = None  # of a program, a bulk revocation or a bulk run
    is_exact: bool = True  # False: it is only similar to what was looked for


class Found(NamedTuple):
    """The answer to a search."""

    understood: tuple[str, ...]  # how the text was read
    hits: tuple[Hit, ...] = ()
    contradiction: str = ""  # why the things that were named don't belong together; empty if they do
    further: tuple[str, ...] = ()  # what could not be looked up, and how to look further
    left: int = 0  # how many hits more there are than are listed

    @property
    def opens(self) -> Hit | None:
        """The one hit that the text means; None if there is a choice, a contradiction, or nothing."""
        is_plain = len(self.hits) == 1 and not self.contradiction and self.hits[0].is_exact
        return self.hits[0] if is_plain else None


class Names(NamedTuple):
    """Learners by what named them, and how to look further where nobody was found."""

    by_text: Mapping[str, tuple[FoundLearner, ...]]
    further: tuple[str, ...] = ()

    @property
    def known_as(self) -> dict[int, str]:
        """Names of the learners who were found."""
        everybody = [learner for found in self.by_text.values() for learner in found]
        return {one.learner_id: known_as_text(one) for one in everybody}

    def learners_of(self, asked: SearchText) -> list[int]:
        """Return the learners whom a text names, by id or otherwise, each once."""
        found = [*asked.learner_ids, *(one.learner_id for some in self.by_text.values() for one in some)]
        return list(dict.fromkeys(found))


def known_as_text(learner: FoundLearner) -> str:
    """Return the names of a learner, and who knows them."""
    source = "as the platform has it now" if learner.source == "platform" else "as it is stored here"
    return f"{', '.join(filter(None, (learner.username, learner.name)))} ({source})"


def learner_hit(learner_id: int, found: Mapping[str, StoredRecord], names: Names) -> Hit:
    """Return a learner with their records by course run."""
    count = f"{len(found)} course run{'' if len(found) == 1 else 's'}" if found else "nothing received so far"
    detail = "; ".join(filter(None, (names.known_as.get(learner_id, ""), count)))
    return Hit("learner", f"Learner {learner_id}", detail, learner_id)


def case_hit(pair: Pair, stored: StoredRecord, names: Names) -> Hit:
    """Return a case, with its certificate as it was published."""
    certificate = stored.published.certificate
    if not stored.version:
        state = "nothing received so far"
    elif certificate is None:
        state = "no certificate"
    else:
        issued = f", issued {when(certificate.issued_at)}" if certificate.issued_at else ""
        state = f"{status_text(certificate.status)}, mode {certificate.mode or 'unknown'}{issued}"
    detail = "; ".join(filter(None, (names.known_as.get(pair.learner_id, ""), state)))
    return Hit("case", f"Learner {pair.learner_id} in {pair.course_run}", detail, *pair)


def course_run_hit(key: str, detail: str) -> Hit:
    """Return a course run."""
    return Hit("course_run", key, detail, course_run=key)

"""One search for anything that support may have in hand: what it means, what was found, and how to look further."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Literal, NamedTuple

import msgspec

from certrules import storage
from certrules.core.wording import listed, status_text, when
from certrules.formats.certificate_ids import possible_ids
from certrules.formats.search_text import SearchText, read_search
from certrules.requests import RefusedActError
from certrules.storage import Pair, StoredRecord
from certrules.support import learners
from certrules.support.similar_keys import containing, described, similar_to

MOST_HITS = 50
"""How many hits are listed."""

_MOST_WORDS_ASKED = 2
"""How many words of a text are looked up as ids of certificates: a request for each form of an id."""

type HitKind = Literal["case", "learner", "course_run", "revocation", "bulk_run"]


class Hit(NamedTuple):
    """Something that was found, with what distinguishes it from others."""

    kind: HitKind
    title: str
    detail: str
    learner_id: int | None = None
    course_run: str | None = None
    id: str | None = None  # of a bulk revocation or a bulk run
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


class _Names(NamedTuple):
    """Learners by what named them, and how to look further where nobody was found."""

    by_text: Mapping[str, tuple[learners.FoundLearner, ...]]
    further: tuple[str, ...] = ()

    @property
    def known_as(self) -> dict[int, str]:
        """Names of the learners who were found."""
        everybody = [learner for found in self.by_text.values() for learner in found]
        return {one.learner_id: _known_as(one) for one in everybody}


def _known_as(learner: learners.FoundLearner) -> str:
    source = "as the platform has it now" if learner.source == "platform" else "as it is stored here"
    return f"{', '.join(filter(None, (learner.username, learner.name)))} ({source})"


def find(text: str) -> Found:
    """Return what a text means. Any text gets an answer; raises only what the storage raises."""
    asked = read_search(text)
    understood = tuple(_understood(asked))
    if asked.is_nothing:
        return Found(understood, further=(WHAT_TO_GIVE,))
    names = _people(asked)
    if asked.ids or asked.run_ids:
        found = _by_ids(asked, names)
    elif asked.learner_ids or names.by_text:
        found = _by_learners(asked, names)
    elif asked.course_runs:
        found = _by_course_runs(asked)
    else:
        found = _by_words(asked)
    hits = tuple(dict.fromkeys(found.hits))
    further = dict.fromkeys((*found.further, *names.further, *(() if hits else (WHAT_TO_GIVE,))))
    contradiction = found.contradiction or (_nobody(asked, names) if hits else "")
    return Found(understood, hits[:MOST_HITS], contradiction, tuple(further), max(0, len(hits) - MOST_HITS))


def _nobody(asked: SearchText, names: _Names) -> str:
    """Return the contradiction if a learner was named whom nobody has; "" otherwise.

    One word beside a course run names a learner; several may be any words of a ticket.
    """
    words = asked.words if asked.course_runs and len(asked.words) == 1 and not asked.learner_ids else ()
    missing = [text for text in (*asked.people, *words) if text not in names.by_text]
    return f"No learner was found by {listed(missing)}." if missing else ""


WHAT_TO_GIVE = (
    "Give a learner's id, username or e-mail, a course run's key or a part of it, an address of the platform, or the "
    "id of a certificate, an event, a bulk run or a bulk revocation; two of them together open the case."
)


def _understood(asked: SearchText) -> Iterable[str]:
    """Yield how a text was read, a sentence a kind."""
    kinds: Iterable[tuple[str, Iterable[object]]] = (
        ("learner id", asked.learner_ids),
        ("username or e-mail", asked.people),
        ("course run", asked.course_runs),
        ("id of a certificate, an event or a bulk revocation", asked.ids),
        ("bulk run", asked.run_ids),
        ("word (a username, or a part of a course run's key)", asked.words),
    )
    for kind, values in kinds:
        if shown := [str(value) for value in values]:
            yield f"{kind}: {listed(shown)}"
    if asked.is_cut:
        yield "the text is too long: only its beginning was read"


# --- people


def _people(asked: SearchText) -> _Names:
    """Return whom usernames and e-mails mean; words are usernames where a learner is missing."""
    names: dict[str, tuple[learners.FoundLearner, ...]] = {}
    further: list[str] = []
    is_missing = not (asked.learner_ids or asked.people or asked.ids or asked.run_ids)
    for text, found in learners.find_each((*asked.people, *(asked.words if is_missing else ()))).items():
        if isinstance(found, RefusedActError):
            further.append(f"{found.title}: {found.fix}.")
            continue
        names[text] = found.learners
        if found.problem:
            further.append(f"Only names that are stored here were looked at: {found.problem}.")
    return _Names(names, tuple(further))


def _named_learners(asked: SearchText, names: _Names) -> list[int]:
    found = [*asked.learner_ids, *(one.learner_id for some in names.by_text.values() for one in some)]
    return list(dict.fromkeys(found))


def _by_learners(asked: SearchText, names: _Names) -> Found:
    """Return the cases of the named learners in the named course runs, or the learners."""
    named = _named_learners(asked, names)
    if asked.course_runs:
        pairs = [Pair(learner_id, course_run) for learner_id in named for course_run in asked.course_runs]
        loaded = storage.load(pairs).records
        return Found((), tuple(_case(pair, loaded[pair], names) for pair in pairs), _different(asked, names))
    records = {learner_id: storage.records_of(learner_id) for learner_id in named}
    parts = [word for word in asked.words if word not in names.by_text]
    if parts:
        cases = tuple(
            _case(Pair(learner_id, key), found[key], names)
            for learner_id, found in records.items()
            for key in containing(parts, found)
        )
        if cases:
            return Found((), cases, _different(asked, names))
    missing = f"No course run of theirs has {listed(parts)} in its key." if parts else ""
    hits = [_learner(learner_id, records[learner_id], names) for learner_id in named]
    if not parts and asked.words:  # a username that is a part of keys, too
        hits += described(containing(asked.words, storage.course_runs()), _course_run)
    unknown = [
        learner_id for learner_id in asked.learner_ids if not records[learner_id] and not _name(learner_id, names)
    ]
    if unknown:
        hits = [hit for hit in hits if hit.learner_id not in unknown]
        hits += described(containing([str(one) for one in unknown], storage.course_runs()), _course_run)
        shown = listed([str(one) for one in unknown])
        missing = f"Nothing was received of learner {shown}: compare it with the platform's user id."
    return Found((), tuple(hits), _different(asked, names), (missing,) if missing else ())


def _name(learner_id: int, names: _Names) -> str:
    if known := names.known_as.get(learner_id):
        return known
    found = learners.name_of(learner_id)
    return "" if found is None else _known_as(found)


def _different(asked: SearchText, names: _Names) -> str:
    """Return the contradiction if two texts name learners and none is meant by both; "" otherwise."""
    meant = {str(learner_id): {learner_id} for learner_id in asked.learner_ids}
    meant |= {text: {one.learner_id for one in found} for text, found in names.by_text.items()}
    if len(meant) < 2 or set.intersection(*meant.values()):
        return ""
    return f"These are different learners: {listed([*meant])}. Compare them with the ticket."


def _learner(learner_id: int, found: Mapping[str, StoredRecord], names: _Names) -> Hit:
    count = f"{len(found)} course run{'' if len(found) == 1 else 's'}" if found else "nothing received so far"
    detail = "; ".join(filter(None, (names.known_as.get(learner_id, ""), count)))
    return Hit("learner", f"Learner {learner_id}", detail, learner_id)


def _case(pair: Pair, stored: StoredRecord, names: _Names) -> Hit:
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


# --- course runs


def _course_run(key: str, detail: str) -> Hit:
    return Hit("course_run", key, detail, course_run=key)


def _by_course_runs(asked: SearchText) -> Found:
    loaded = storage.load(course_runs=asked.course_runs).course_runs
    hits: list[Hit] = []
    further: list[str] = []
    for key in asked.course_runs:
        if loaded[key].timeline or storage.learners_page(key, None, 1)[0]:
            hits += described([key], _course_run)
            continue
        alike = similar_to(key, storage.course_runs())
        hits += [hit._replace(is_exact=False) for hit in described(alike, _course_run)]
        found = "These keys are similar" if alike else "No key that is known is similar: compare it with the platform"
        further.append(f"Nothing was received of the course run {key}. {found}.")
    return Found((), tuple(hits), further=tuple(further))


def _by_words(asked: SearchText) -> Found:
    """Return the course runs whose keys have all words in them, and the certificates that have one as their id."""
    owners = [owner for word in asked.words[:_MOST_WORDS_ASKED] for owner in storage.owners_of(word)]
    if owners:
        loaded = storage.load(owners).records
        return Found((), tuple(_case(owner, loaded[owner], _Names({})) for owner in owners))
    return Found((), tuple(described(containing(asked.words, storage.course_runs()), _course_run)))


# --- ids


_OF_EVENTS = (
    "An event is stored with its learner, and no index has its id, since each event would cost a write more. Add the "
    "learner's id or username: in the event it is user.id, and the sender's log has both. If nobody knows the learner: "
    "the bus's archive can be replayed, and not searched; it may be a parked message, too."
)
"""How to look further for an id that nothing has that an index is of."""


def _by_ids(asked: SearchText, names: _Names) -> Found:
    """Return what the ids belong to, and whether that fits the learners and course runs that were named."""
    hits: list[Hit] = []
    further: list[str] = []
    contradictions: list[str] = []
    named = _named_learners(asked, names)
    for name in asked.ids:
        found = _owned(name, names) or _asked_for(name) or _of_event(name, named, names)
        if not found:
            further.append(f"No certificate, bulk revocation or act of the last seven days has the id {name}.")
            further.append(
                f"Nothing of learner {listed([str(one) for one in named])} is by it." if named else _OF_EVENTS
            )
        fitting = [hit for hit in found if _fits(hit, named, asked.course_runs)]
        if found and not fitting:
            contradictions.append(
                f"The id {name} belongs to {listed([hit.title for hit in found])}, not to what was named."
            )
            hits += found
        hits += fitting
    for name in asked.run_ids:
        found = _bulk_run(name)
        further += [] if found else [f"No bulk run has the id {name}: see the list of bulk runs."]
        hits += found
    if contradictions or not hits:
        rest = asked._replace(ids=(), run_ids=())
        if named:
            hits += _by_learners(rest, names).hits
        elif rest.course_runs:
            hits += _by_course_runs(rest).hits
    if contradictions:
        contradictions.append("One of them is wrong: compare them with the ticket.")
    elif len({(hit.kind, hit.title) for hit in hits}) > 1 and len(asked.ids) == 1 and hits[0].kind == "case":
        further.append("One id was given to several certificates, which is an error: have an operator look at it.")
    return Found((), tuple(hits), " ".join(contradictions), tuple(dict.fromkeys(further)))


def _fits(hit: Hit, named: Iterable[int], course_runs: Iterable[str]) -> bool:
    is_theirs = hit.learner_id is None or not named or hit.learner_id in named
    return is_theirs and (hit.course_run is None or not course_runs or hit.course_run in course_runs)


def _owned(name: str, names: _Names) -> list[Hit]:
    owners = sorted({owner for written in possible_ids(name) for owner in storage.owners_of(written)})
    loaded = storage.load(owners).records if owners else {}
    return [_case(owner, loaded[owner], names) for owner in owners]


def _asked_for(name: str) -> list[Hit]:
    """Return a bulk revocation, or what an act of a person was about: its id is its event's."""
    revocation = storage.find_note("V", name)
    if revocation.v:
        body = msgspec.json.decode(revocation.b)
        asked_by = f"{body['act']} of {len(body['learners'])}, asked for by {body['requested_by']}, {body['state']}"
        return [Hit("revocation", f"Bulk revocation {name}", asked_by, course_run=body["course_run"], id=name)]
    act = storage.find_note(f"K#{name}", "-")
    if not act.v:
        return []
    stored = msgspec.json.decode(act.b)
    if isinstance(stored["answer"], str):
        return _bulk_run(stored["answer"])
    about = {**stored["asked"], **next((part for part in stored["asked"].values() if isinstance(part, dict)), {})}
    learner_id, course_run = about.get("learner_id"), about.get("course_run")
    detail = f"the act {about.get('act') or about.get('switch') or next(iter(stored['asked']))} has this event id"
    if learner_id and course_run:
        return [Hit("case", f"Learner {learner_id} in {course_run}", detail, learner_id, course_run)]
    if learner_id:
        return [Hit("learner", f"Learner {learner_id}", detail, learner_id)]
    return [_course_run(course_run, detail)] if course_run else []


def _of_event(event_id: str, named: Iterable[int], names: _Names) -> list[Hit]:
    """Return the cases of the named learners whose facts an event gave."""
    hits = []
    for learner_id in named:
        records = storage.records_of(learner_id)
        hits += [
            _case(Pair(learner_id, key), stored, names)
            for key, stored in records.items()
            if any(entry.event_id == event_id for entry in stored.timeline)
        ]
        verification = storage.load(learners=[learner_id]).verifications[learner_id]
        if any(entry.event_id == event_id for entry in verification.timeline):
            hits.append(_learner(learner_id, records, names)._replace(detail="the event is about the ID verification"))
    return hits


def _bulk_run(name: str) -> list[Hit]:
    note = storage.find_note("B", name)
    if not note.v:
        return []
    body: dict[str, Any] = msgspec.json.decode(note.b)
    asked = body["request"]
    return [
        Hit(
            "bulk_run",
            f"Bulk run {name}",
            f"asked for by {asked['by']} at {when(datetime.fromisoformat(asked['at']))}",
            id=name,
        )
    ]

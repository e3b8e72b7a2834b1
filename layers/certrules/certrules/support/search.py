"""One search for anything that support may have in hand: what it means, what was found, and how to look further."""

from collections.abc import Iterable

from certrules import storage
from certrules.core.wording import listed
from certrules.formats.search_text import SearchText, read_search
from certrules.requests import RefusedActError
from certrules.storage import Pair
from certrules.support import learners
from certrules.support.search_hits import Found, Hit, Names, case_hit, course_run_hit, known_as_text, learner_hit
from certrules.support.search_ids import by_ids
from certrules.support.similar_keys import containing, described, similar_to

MOST_HITS = 50
"""How many hits are listed."""

_MOST_WORDS_ASKED = 3
"""How many words of a text are looked up as usernames and as ids of certificates: more are a sentence."""


def find(text: str) -> Found:
    """Return what a text means. Any text gets an answer; raises only what the storage raises."""
    asked = read_search(text)
    understood = tuple(_understood(asked))
    of_rows = (OF_ROWS,) if asked.rows else ()
    if asked.is_nothing:
        return Found(understood, further=(*of_rows, WHAT_TO_GIVE))
    names = _people(asked)
    if asked.ids or asked.run_ids:
        found, names = _by_ids(asked, names)
    elif asked.learner_ids or names.by_text:
        found, names = _by_learners_or_parts(asked, names)
    elif asked.course_runs:
        found = _by_course_runs(asked)
    else:
        found = _by_words(asked)
    hits = tuple(dict.fromkeys(found.hits))
    further = dict.fromkeys((*found.further, *names.further, *of_rows, *(() if hits else (WHAT_TO_GIVE,))))
    contradiction = found.contradiction or (_nobody(asked, names) if hits else "")
    return Found(understood, hits[:MOST_HITS], contradiction, tuple(further), max(0, len(hits) - MOST_HITS))


def _nobody(asked: SearchText, names: Names) -> str:
    """Return the contradiction if a learner was named whom nobody has; "" otherwise.

    One word beside a course run names a learner; several may be any words of a ticket.
    """
    words = asked.words if asked.course_runs and len(asked.words) == 1 and not asked.learner_ids else ()
    missing = [text for text in (*asked.people, *words) if text not in names.by_text]
    return f"No learner was found by {listed(missing)}." if missing else ""


WHAT_TO_GIVE = (
    "Give a learner's id, username or e-mail, a course run's key or a part of it, an address of the platform, or the "
    "id of a certificate, a program, an event, a bulk run or a bulk revocation; two of them together open the case."
)

OF_ROWS = (
    "A number in the platform's admin is that of a row, which only the platform knows. Paste what the page shows: the "
    "learner's username, the course run's key, or the certificate's verify uuid."
)

OF_FULL_NAMES = (
    "Nobody is found by their full name: this service and the platform's accounts know people by username, e-mail and "
    "id. Paste the e-mail that the ticket came from, or the address of a certificate of theirs."
)
"""How to look further for two words or more that fit nothing."""


def _understood(asked: SearchText) -> Iterable[str]:
    """Yield how a text was read, a sentence a kind."""
    kinds: Iterable[tuple[str, Iterable[object]]] = (
        ("learner id", asked.learner_ids),
        ("username or e-mail", asked.people),
        ("course run", asked.course_runs),
        ("id of a certificate, a program, an event or a bulk revocation", asked.ids),
        ("bulk run", asked.run_ids),
        ("word (a username, or a part of a course run's key)", asked.words),
        ("row of the platform's admin", asked.rows),
    )
    for kind, values in kinds:
        if shown := [str(value) for value in values]:
            yield f"{kind}: {listed(shown)}"
    if asked.is_cut:
        yield "the text is too long: only its beginning was read"


# --- people


def _people(asked: SearchText, words: tuple[str, ...] | None = None) -> Names:
    """Return whom usernames and e-mails mean. Words are usernames where a learner is missing, or where they are given.

    Why nobody is known is stated once for all of which it is true.
    """
    if words is None:
        is_missing = not (asked.learner_ids or asked.people or asked.ids or asked.run_ids)
        words = asked.words if is_missing else ()
    names: dict[str, tuple[learners.FoundLearner, ...]] = {}
    problems: list[str] = []
    titles_by_fix: dict[str, list[str]] = {}
    for text, found in learners.find_each((*asked.people, *words[:_MOST_WORDS_ASKED])).items():
        if isinstance(found, RefusedActError):
            titles_by_fix.setdefault(found.fix, []).append(found.title)
            continue
        names[text] = found.learners
        if found.problem:
            problems.append(f"Only names that are stored here were looked at: {found.problem}.")
    further = (f"{'; '.join(dict.fromkeys(titles))}: {fix}." for fix, titles in titles_by_fix.items())
    return Names(names, (*further, *problems))


def _by_learners_or_parts(asked: SearchText, names: Names) -> tuple[Found, Names]:
    """Return what fits the learners; where a number fits none, it may be a part of a key beside a username: `ada 2026`.

    Also whom the text names.
    """
    found = _by_learners(asked, names)
    is_clear = not (found.contradiction or found.further) or any(hit.kind == "case" for hit in found.hits)
    if is_clear or asked.course_runs or not asked.learner_ids or not (asked.words or names.by_text):
        return found, names
    numbers = tuple(map(str, asked.learner_ids))
    parts = asked._replace(learner_ids=(), words=(*asked.words, *numbers))
    people = names if names.by_text else _people(asked, asked.words)
    by_parts = _by_learners(parts, people) if people.by_text else _by_words(parts)
    if any(hit.kind == "case" for hit in by_parts.hits):
        return by_parts, people
    known = tuple(hit for hit in found.hits if hit.learner_id is not None)
    if not by_parts.hits:
        return found, names
    contradiction = _different(asked, people) if known and people.by_text else ""
    return by_parts._replace(hits=(*known, *by_parts.hits), contradiction=contradiction), people


def _by_learners(asked: SearchText, names: Names) -> Found:
    """Return the cases of the named learners in the named course runs, or the learners."""
    named = names.learners_of(asked)
    if asked.course_runs:
        pairs = [Pair(learner_id, course_run) for learner_id in named for course_run in asked.course_runs]
        loaded = storage.load(pairs).records
        return Found((), tuple(case_hit(pair, loaded[pair], names) for pair in pairs), _different(asked, names))
    records = {learner_id: storage.records_of(learner_id) for learner_id in named}
    parts = [word for word in asked.words if word not in names.by_text]
    if parts:
        cases = tuple(
            case_hit(Pair(learner_id, key), found[key], names)
            for learner_id, found in records.items()
            for key in containing(parts, found)
        )
        if cases:
            return Found((), cases, _different(asked, names))
    missing = f"No course run of theirs has {listed(parts)} in its key." if parts else ""
    hits = [learner_hit(learner_id, records[learner_id], names) for learner_id in named]
    if not parts and asked.words:  # a username that is a part of keys, too
        hits += described(containing(asked.words, storage.course_runs()), course_run_hit)
    unknown = [
        learner_id for learner_id in asked.learner_ids if not records[learner_id] and not _name(learner_id, names)
    ]
    if unknown:
        hits = [hit for hit in hits if hit.learner_id not in unknown]
        hits += described(containing([str(one) for one in unknown], storage.course_runs()), course_run_hit)
        shown = listed([str(one) for one in unknown])
        missing = f"Nothing was received of learner {shown}: compare it with the platform's user id."
    return Found((), tuple(hits), _different(asked, names), (missing,) if missing else ())


def _name(learner_id: int, names: Names) -> str:
    if known := names.known_as.get(learner_id):
        return known
    found = learners.name_of(learner_id)
    return "" if found is None else known_as_text(found)


def _different(asked: SearchText, names: Names) -> str:
    """Return the contradiction if two texts name learners and none is meant by both; "" otherwise."""
    meant = {str(learner_id): {learner_id} for learner_id in asked.learner_ids}
    meant |= {text: {one.learner_id for one in found} for text, found in names.by_text.items()}
    if len(meant) < 2 or set.intersection(*meant.values()):
        return ""
    return f"These are different learners: {listed([*meant])}. Compare them with the ticket."


# --- course runs


def _by_course_runs(asked: SearchText) -> Found:
    loaded = storage.load(course_runs=asked.course_runs).course_runs
    hits: list[Hit] = []
    further: list[str] = []
    for key in asked.course_runs:
        if loaded[key].timeline or storage.learners_page(key, None, 1)[0]:
            hits += described([key], course_run_hit)
            continue
        alike = similar_to(key, storage.course_runs())
        hits += [hit._replace(is_exact=False) for hit in described(alike, course_run_hit)]
        found = "These keys are similar" if alike else "No key that is known is similar: compare it with the platform"
        further.append(f"Nothing was received of the course run {key}. {found}.")
    return Found((), tuple(hits), further=tuple(further))


def _by_words(asked: SearchText) -> Found:
    """Return the course runs whose keys have all words in them, and the certificates that have one as their id."""
    owners = [owner for word in asked.words[:_MOST_WORDS_ASKED] for owner in storage.owners_of(word)]
    if owners:
        loaded = storage.load(owners).records
        return Found((), tuple(case_hit(owner, loaded[owner], Names({})) for owner in owners))
    hits = described(containing(asked.words, storage.course_runs()), course_run_hit)
    is_name = len(asked.words) > 1 and not any(letter.isdigit() for letter in "".join(asked.words))
    return Found((), tuple(hits), further=(OF_FULL_NAMES,) if is_name and not hits else ())


# --- ids


def _by_ids(asked: SearchText, names: Names) -> tuple[Found, Names]:
    """Return what fits the ids, and whom the text names: words are usernames if nobody else is named or found."""
    found = by_ids(asked, names)
    if asked.words and not names.learners_of(asked) and not any(hit.learner_id for hit in found.hits):
        people = _people(asked, asked.words)
        if people.by_text:
            names, found = people, by_ids(asked, people)
    if found.contradiction or not found.hits:
        rest = asked._replace(ids=(), run_ids=())
        if names.learners_of(asked):
            found = found._replace(hits=(*found.hits, *_by_learners(rest, names).hits))
        elif rest.course_runs:
            found = found._replace(hits=(*found.hits, *_by_course_runs(rest).hits))
    return found, names

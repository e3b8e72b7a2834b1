"""Acts on many learners of a course run, of a list that a person pastes: looked at line by line, then done.

A line is a learner id, or a username or an e-mail where names are known, and perhaps a note; a line of numbers only
names several learners. That is the form of the file of certificate exceptions of the platform's instructor dashboard.
What is refused of a list is named with its fix, and nothing happens to it; the rest is done.
"""

import csv
from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from hashlib import sha256
from io import StringIO
from typing import Any, Literal, NamedTuple

import msgspec

from certrules import storage
from certrules.audit import Subject
from certrules.core.policy import Policies
from certrules.core.terms import Status
from certrules.formats.stored import as_time
from certrules.requests import RefusedActError, remembered
from certrules.storage import Pair
from certrules.support import learners, revocations
from certrules.support.acts import ACTS, Done, Preview, detail_of, once, preview
from certrules.support.cases import Case
from certrules.support.learners import FoundLearners
from certrules.support.records import preview_of_many
from certrules.support.revocations import MOST_LEARNERS, events_for

type ListAct = Literal["allowlist-add", "invalidate", "discard"]

MOST_CHARACTERS = 100_000
"""How long a list may be."""

MOST_NOTE = 200
"""How long the note of a line may be."""

_HEADS = {"learner_id", "learner", "user_id", "user", "username", "email", "student", "id"}
"""The first cell of a line that names columns."""


class Line(NamedTuple):
    """A learner of a list, as a person wrote it."""

    number: int  # of the line in the text, from 1 on
    written: str
    note: str


class Outcome(NamedTuple):
    """What becomes of a line: it is accepted, or refused with a fix."""

    line: Line
    learner_id: int | None  # None: nobody, or more than one, is known by what is written
    accepted: bool
    sentence: str  # what will happen, or why not
    fix: str = ""
    before: Status | None = None
    after: Status | None = None
    version: int = 0  # of the case, as it was looked at
    cause: str = ""  # of the revocation that is discarded, or requested


class ListRequest(NamedTuple):
    """An act on the learners of a list in a course run."""

    act: ListAct
    course_run: str
    text: str
    by: str
    reason: str


# --- a list as it is written


def lines_of(text: str) -> list[Line]:
    """Return the lines of a list, but for empty ones and a first one that names columns. Raises RefusedActError."""
    if len(text) > MOST_CHARACTERS:
        fix = f"send at most {MOST_CHARACTERS:,} characters at once, in parts"
        raise RefusedActError(422, f"the list has {len(text):,} characters", fix, "text")
    text = text.removeprefix("\ufeff")
    first = next((line for line in text.splitlines() if line.strip()), "")
    separator = "\t" if "\t" in first else ";" if ";" in first and "," not in first else ","
    found: list[Line] = []
    reader = csv.reader(StringIO(text, newline=""), delimiter=separator, skipinitialspace=True)
    for row in reader:  # it reads any text: only a longer one may have a cell that is longer than csv takes
        cells = [cell.strip() for cell in row]
        if not any(cells) or (not found and cells[0].casefold() in _HEADS):
            continue
        named = list(filter(None, cells))
        if all(_is_number(cell) for cell in named):
            found += [Line(reader.line_num, cell, "") for cell in named]
        else:
            found.append(Line(reader.line_num, cells[0], " ".join(filter(None, cells[1:]))))
    if not found:
        raise RefusedActError(422, "the list names nobody", "write a learner a line", "text")
    if len(found) > MOST_LEARNERS:
        fix = f"send at most {MOST_LEARNERS} at once, in parts"
        raise RefusedActError(422, f"the list names {len(found)} learners", fix, "text")
    return found


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit()


# --- looked at


def outcomes_of(request: ListRequest, policies: Policies, now: datetime) -> list[Outcome]:
    """Return what becomes of each line of a list, as it is now. Raises RefusedActError if it can't be read."""
    lines = lines_of(request.text)
    known = _known_as({line.written for line in lines})
    ids = {found for found in known.values() if isinstance(found, int)}
    loaded = storage.load([Pair(learner_id, request.course_run) for learner_id in sorted(ids)])
    seen: dict[int, int] = {}
    outcomes = []
    for line in lines:
        found = known[line.written]
        if isinstance(found, RefusedActError):
            outcomes.append(_refused(line, None, found))
        elif found in seen:
            again = RefusedActError(409, f"line {seen[found]} names the same learner", "nothing has to be done")
            outcomes.append(_refused(line, found, again))
        else:
            seen[found] = line.number
            case = Case(Pair(found, request.course_run), loaded, policies)
            outcomes.append(_outcome(request, line, case, now))
    return outcomes


def _known_as(names: Collection[str]) -> dict[str, int | RefusedActError]:
    """Return who is meant by each name, or why that is not known. Raises RefusedActError if nobody can be asked now."""
    found = learners.find_each(name for name in sorted(names) if not _is_number(name))
    return {name: _learner(found[name]) if name in found else _by_id(name) for name in names}


def _by_id(name: str) -> int | RefusedActError:
    if 0 < int(name) < 2**63:
        return int(name)
    return RefusedActError(422, "this is no learner id", "it is the platform's user id")


def _learner(found: FoundLearners | RefusedActError) -> int | RefusedActError:
    if isinstance(found, RefusedActError):
        if found.status == 503:
            raise found
        if found.status == 404:  # in other words: what is remembered of a list has no name in it
            return RefusedActError(404, "no learner is known by this name", found.fix)
        return found
    if len(found.learners) > 1:
        ids = ", ".join(str(learner.learner_id) for learner in found.learners)
        return RefusedActError(409, "several learners may be meant", f"write the id of the right one: {ids}")
    return found.learners[0].learner_id


def _outcome(request: ListRequest, line: Line, case: Case, now: datetime) -> Outcome:
    """Return what becomes of a line whose learner is known: the act is previewed, as if it were done alone."""
    try:
        seen = _seen(request, line, case, now)
    except RefusedActError as refusal:
        return _refused(line, case.pair.learner_id, refusal)
    pending = case.published.pending
    cause = "invalidated" if request.act == "invalidate" else str(pending.cause) if pending else ""
    return Outcome(
        line, case.pair.learner_id, accepted=True, sentence=seen.sentence, before=seen.before, after=seen.after,
        version=seen.version, cause=cause,
    )  # fmt: skip


def _seen(request: ListRequest, line: Line, case: Case, now: datetime) -> Preview:
    """Return the preview of a line. Raises RefusedActError if nothing may be done to it."""
    if len(line.note) > MOST_NOTE or not line.note.isprintable():
        fix = f"write at most {MOST_NOTE} characters, none of them a control character"
        raise RefusedActError(422, "the note can't be taken", fix)
    if not case.is_known and not (request.act == "allowlist-add" and case.is_course_run_known):
        raise RefusedActError(404, "nothing is known of this learner here", "compare learner id and course run")
    detail = detail_of(request.act, case, event_id="preview", at=now, by=request.by, reason=request.reason)
    seen = preview(case, request.act, detail, now, lambda _lost, _shown: None)
    if seen.takes_away and request.act != "invalidate":
        fix = "do it in the learner's case, where the preview shows why"
        raise RefusedActError(409, "deciding again would take this certificate away", fix)
    return seen


def _refused(line: Line, learner_id: int | None, refusal: RefusedActError) -> Outcome:
    return Outcome(line, learner_id, accepted=False, sentence=refusal.title, fix=refusal.fix)


def seen_as(outcomes: Iterable[Outcome]) -> str:
    """Return what a person has seen, as one text: whose certificates, and which versions of their cases."""
    seen = [(found.learner_id, found.version) for found in outcomes if found.accepted]
    return sha256(msgspec.json.encode(seen)).hexdigest()


def previewed(request: ListRequest, policies: Policies, now: datetime) -> dict[str, Any]:
    """Return what will become of a list, line by line; and of program certificates. Raises RefusedActError."""
    outcomes = outcomes_of(request, policies, now)
    accepted = [found.learner_id for found in outcomes if found.accepted and found.learner_id is not None]
    lost = accepted if request.act == "invalidate" else []
    programs = preview_of_many(lost, request.course_run, policies, now) if lost else None
    return {**_answer(request, outcomes), "programs": programs}


# --- done


def act_on(bus: str, request: ListRequest, seen: str | None, key: str, *, policies: Policies, now: datetime) -> Done:
    """Do what a list asks for, once for a key; what is refused stays as it is. Answers what became of each line.

    Certificates are taken away only with a second person: of `invalidate` a bulk revocation is requested. `seen` is
    what the preview returned; if the accepted lines are others now, nothing is done. Raises like `once`.
    """

    def planned(name: str) -> tuple[Any, Any]:
        outcomes = outcomes_of(request, policies, now)
        accepted = {str(found.learner_id): found for found in outcomes if found.accepted}
        if seen is not None and seen != seen_as(outcomes):
            raise RefusedActError(409, "what becomes of the list changed since it was looked at", "look again", "seen")
        if not accepted:
            raise RefusedActError(409, "no line of the list is accepted", "see the preview for why", "text")
        plan = {
            "id": name,
            "course_run": request.course_run,
            "learners": {learner: found.cause for learner, found in accepted.items()},
            "line_notes": {learner: found.line.note for learner, found in accepted.items() if found.line.note},
            "by": request.by,
            "notes": request.reason,
            "at": as_time(now),
        }
        answer = {**_without_names(_answer(request, outcomes)), "revocation": None}
        if request.act == "invalidate":
            body = _requested(request, plan, name, policies, now)
            plan["entry"], answer["revocation"] = revocations.entry_of(body), body["id"]
        return plan, answer

    asked = {"list": (*request[:2], sha256(request.text.encode()).hexdigest(), request.reason)}
    if request.act == "invalidate":
        stored = remembered(request.by, key, asked, now, planned)
        return Done(_with_names(stored["answer"], request.text), stored["plan"]["entry"])
    subject = Subject(request.act, request.reason, course_runs=(request.course_run,))
    done = once(
        bus, request.by, key, asked, subject, now=now, planned=planned,
        events_of=lambda plan: events_for(ACTS[request.act], plan),
    )  # fmt: skip
    return Done(_with_names(done.answer, request.text), done.entry)


def _requested(request: ListRequest, plan: Mapping[str, Any], key: str, policies: Policies, now: datetime) -> Any:
    """Request the bulk revocation of what is accepted of a list."""
    return revocations.request_revocation(
        "invalidate", request.course_run, map(int, plan["learners"]), request.by, request.reason,
        now=now, key=key, policies=policies, line_notes=plan["line_notes"],
    )  # fmt: skip


def _without_names(answer: Mapping[str, Any]) -> dict[str, Any]:
    """Return an answer as it is remembered: names and e-mails are stored nowhere else either."""
    lines = [{name: value for name, value in line.items() if name != "written"} for line in answer["lines"]]
    return {**answer, "lines": lines}


def _with_names(answer: Mapping[str, Any], text: str) -> dict[str, Any]:
    lines = [{**known, "written": line.written} for known, line in zip(answer["lines"], lines_of(text), strict=True)]
    return {**answer, "lines": lines}


def _answer(request: ListRequest, outcomes: Collection[Outcome]) -> dict[str, Any]:
    accepted = sum(found.accepted for found in outcomes)
    return {
        "act": request.act,
        "course_run": request.course_run,
        "accepted": accepted,
        "refused": len(outcomes) - accepted,
        "seen": seen_as(outcomes),
        "lines": [
            {
                "line": found.line.number,
                "written": found.line.written,
                "learner_id": found.learner_id,
                "accepted": found.accepted,
                "sentence": found.sentence,
                "fix": found.fix,
                "before": found.before,
                "after": found.after,
            }
            for found in outcomes
        ],
    }

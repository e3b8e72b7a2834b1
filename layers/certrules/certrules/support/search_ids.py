"""Searching by ids: what a certificate's, a program's, an event's, a bulk run's or a bulk revocation's belongs to."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

import msgspec

from certrules import aws, storage
from certrules.core.programs.definitions import ProgramDefinition
from certrules.core.wording import listed, when
from certrules.formats.certificate_ids import possible_ids
from certrules.formats.search_text import SearchText
from certrules.records.catalog import Catalog
from certrules.storage import Pair
from certrules.support import records
from certrules.support.search_hits import Found, Hit, Names, case_hit, course_run_hit, learner_hit
from certrules.support.similar_keys import described

_OF_EVENTS = (
    "An event is stored with its learner, and no index has its id, since each event would cost a write more. Add the "
    "learner's id or username: in the event it is user.id, and the sender's log has both. If nobody knows the learner: "
    "the bus's archive can be replayed, and not searched; it may be a parked message, too."
)
"""How to look further for an id that nothing has that an index is of."""


def by_ids(asked: SearchText, names: Names) -> Found:
    """Return what the ids belong to, and whether that fits the learners and course runs that were named."""
    hits: list[Hit] = []
    further: list[str] = []
    contradictions: list[str] = []
    named = names.learners_of(asked)
    for name in asked.ids:
        found, sentences = _belongs(name, named, names)
        further += sentences
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
    if contradictions:
        contradictions.append("One of them is wrong: compare them with the ticket.")
    elif len({(hit.kind, hit.title) for hit in hits}) > 1 and len(asked.ids) == 1 and hits[0].kind == "case":
        further.append("One id was given to several certificates, which is an error: have an operator look at it.")
    return Found((), tuple(hits), " ".join(contradictions), tuple(dict.fromkeys(further)))


def _belongs(name: str, named: Iterable[int], names: Names) -> tuple[list[Hit], list[str]]:
    """Return what an id belongs to, and how to look further."""
    if found := _owned(name, names) or _asked_for(name):
        return found, []
    if (program := _program(name)) is not None:
        return _of_program(program, named)
    if found := _of_event(name, named, names):
        return found, []
    known = "certificate, program" if records.is_on() else "certificate"
    missing = f"No {known}, bulk revocation or act of the last seven days has the id {name}."
    off = [] if records.is_on() else ["Programs have no ids here: an operator sets CredentialsUrl (docs/programs.md)."]
    nothing = f"Nothing of learner {listed([str(one) for one in named])} is by it." if named else _OF_EVENTS
    return [], [missing, nothing, *off]


def _fits(hit: Hit, named: Iterable[int], course_runs: Iterable[str]) -> bool:
    is_theirs = hit.learner_id is None or not named or hit.learner_id in named
    return is_theirs and (hit.course_run is None or not course_runs or hit.course_run in course_runs)


def _owned(name: str, names: Names) -> list[Hit]:
    owners = sorted({owner for written in possible_ids(name) for owner in storage.owners_of(written)})
    loaded = storage.load(owners).records if owners else {}
    return [case_hit(owner, loaded[owner], names) for owner in owners]


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
    return [course_run_hit(course_run, detail)] if course_run else []


def _program(uuid: str) -> ProgramDefinition | None:
    found = Catalog(aws.now).definitions([uuid]) if records.is_on() else []
    return found[0][-1].definition if found else None


def _of_program(program: ProgramDefinition, named: Iterable[int]) -> tuple[list[Hit], list[str]]:
    """Return the programs of the named learners, or the program's course runs, and how to look further."""
    name = f"the program {program.title} ({', '.join(filter(None, (program.type, program.status)))})"
    hits = [Hit("program", f"Programs of learner {one}", f"how far they are in {name}", one) for one in named]
    if hits:
        return [hit._replace(id=program.uuid) for hit in hits], []
    keys = sorted({key for course in program.courses for key in course.course_runs})
    count = f"{len(keys)} course run{'' if len(keys) == 1 else 's'}"
    sentence = f"The id is that of {name}, which lists {count}. Add a learner's id or username to open their programs."
    return described(keys, lambda key, detail: course_run_hit(key, f"in {name}; {detail}")), [sentence]


def _of_event(event_id: str, named: Iterable[int], names: Names) -> list[Hit]:
    """Return the cases of the named learners whose facts an event gave."""
    hits = []
    for learner_id in named:
        records = storage.records_of(learner_id)
        hits += [
            case_hit(Pair(learner_id, key), stored, names)
            for key, stored in records.items()
            if any(entry.event_id == event_id for entry in stored.timeline)
        ]
        verification = storage.load(learners=[learner_id]).verifications[learner_id]
        if any(entry.event_id == event_id for entry in verification.timeline):
            hits.append(
                learner_hit(learner_id, records, names)._replace(detail="the event is about the ID verification")
            )
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

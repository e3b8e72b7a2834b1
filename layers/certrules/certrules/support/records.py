"""A learner's record as support sees it: programs, deliveries, what waits, and what an act would take away.

Off without the stack's parameter CredentialsUrl: then nothing is read, and no request is made.
"""

import os
from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import datetime
from typing import Any

from certrules import aws
from certrules.core.deliveries.desired import Kind, Target
from certrules.core.deliveries.outcomes import REASONS, Waiting
from certrules.core.explain.deliveries import delivery_state
from certrules.core.explain.programs import ProgramExplanation, hidden_sentence, preview_sentences
from certrules.core.explain.rendering import as_json, program_as_text
from certrules.core.policy import Policies
from certrules.core.programs.preview import HiddenProgram, ProgramsPreview
from certrules.records import seen
from certrules.records.catalog import Catalog
from certrules.records.seen import SeenLearner, WaitingPlace, see_learner
from certrules.requests import RefusedActError
from certrules.storage import Pair

type Programs = Callable[[Collection[str], Mapping[str, datetime]], dict[str, Any] | None]
"""Returns what becomes of programs: given course runs whose certificate is lost, and those shown from an instant on."""

MOST_LISTED = 100
"""How many program certificates the preview of many learners lists; all are counted."""


def is_on() -> bool:
    """Whether the deployment delivers to a Credentials service."""
    return bool(os.environ.get("RECORDS_TABLE"))


def demand_records() -> None:
    """Raise RefusedActError if the deployment has no Credentials service."""
    if not is_on():
        fix = "an operator sets the stack's parameter CredentialsUrl (docs/programs.md)"
        raise RefusedActError(404, "records: off", fix)


# --- one learner


def programs_of(learner_id: int, policies: Policies, now: datetime, as_of: datetime | None) -> dict[str, Any]:
    """Return the programs of a learner, explained, and how far the deliveries are. Raises RefusedActError if off."""
    demand_records()
    catalog = Catalog(aws.now)
    learner = see_learner(learner_id, catalog)
    hidden = learner.hidden(policies, now, catalog) if as_of is None else {}
    others = [target for target in sorted(learner.deliveries) if target.kind is not Kind.PROGRAM]
    waits = any(not delivery.is_settled for delivery in learner.deliveries.values())
    return {
        "learner_id": learner_id,
        "programs": [
            _program(learner, item, hidden.get(item.program)) for item in learner.explained(policies, now, as_of)
        ],
        "deliveries": [as_json(delivery_state(learner.deliveries[target])) for target in others],
        "waits": waits,
    }


def _program(learner: SeenLearner, explanation: ProgramExplanation, hidden: HiddenProgram | None) -> dict[str, Any]:
    delivery = _delivery(learner, Target(Kind.PROGRAM, learner.learner_id, explanation.program))
    return {
        **as_json(explanation),
        "text": program_as_text(explanation),
        "delivery": delivery,
        "acts": [as_json(action) for action in learner.actions.get(explanation.program, ())],
        "hidden": None if hidden is None else {**as_json(hidden), "sentence": hidden_sentence(hidden)},
    }


def _delivery(learner: SeenLearner, target: Target) -> dict[str, Any] | None:
    found = learner.deliveries.get(target)
    return None if found is None else as_json(delivery_state(found))


def record_of(pair: Pair, policies: Policies, now: datetime) -> dict[str, Any] | None:
    """Return how far the delivery of a certificate is, and the programs that list its course run; None if off."""
    if not is_on():
        return None
    learner = see_learner(pair.learner_id, Catalog(aws.now), [pair.course_run])
    return {
        "delivery": _delivery(learner, Target(Kind.COURSE, *pair)),
        "programs": [_listing(item, pair.course_run) for item in learner.explained(policies, now)],
    }


def _listing(explanation: ProgramExplanation, course_run: str) -> dict[str, Any]:
    courses = [finding for finding in explanation.courses if course_run in finding.course_runs]
    return {
        "program": explanation.program,
        "title": explanation.title,
        "status": explanation.status,
        "sentence": explanation.sentence,
        "carries": [finding.course for finding in courses if finding.course_run == course_run],
        "courses": [finding.sentence for finding in courses],
    }


def record_as_text(record: Mapping[str, Any] | None) -> str:
    """Return a block of lines for the explanation of a certificate; empty if records are off."""
    if record is None:
        return ""
    lines = [_delivery_text(record["delivery"])]
    for program in record["programs"]:
        lines += [f"{program['title']}: {program['sentence']}", *(f"  {sentence}" for sentence in program["courses"])]
    return "\nIts record and programs:\n" + "".join(f"  {line}\n" for line in lines)


def _delivery_text(delivery: Mapping[str, Any] | None) -> str:
    if delivery is None:
        return "Nothing was to be delivered to the learner's record so far."
    return " ".join(filter(None, (delivery["sentence"], delivery["remedy"], delivery["warning"])))


# --- before an act


def previewing(learner_id: int, policies: Policies, now: datetime) -> Programs:
    """Return what previews the programs of a learner; it reads them only when it is called, and nothing if off."""

    def preview(lost: Collection[str], shown_from: Mapping[str, datetime]) -> dict[str, Any] | None:
        if not is_on() or not (lost or shown_from):
            return None
        learner = see_learner(learner_id, Catalog(aws.now), {*lost, *shown_from})
        return _preview(learner.previewed(policies, now, lost, shown_from))

    return preview


def _preview(found: ProgramsPreview) -> dict[str, Any]:
    return {**as_json(found), "sentences": list(preview_sentences(found))}


def preview_of_many(
    learner_ids: Iterable[int], course_run: str, policies: Policies, now: datetime
) -> dict[str, Any] | None:
    """Return what becomes of the programs of learners who lose a certificate in a course run; None if off.

    Two requests a learner.
    """
    if not is_on():
        return None
    preview = seen.loss_previews(policies, now)
    found = aws.each(lambda learner_id: (learner_id, preview(learner_id, [course_run])), sorted(learner_ids))
    listed = [
        {"learner_id": learner_id, "sentence": sentence}
        for learner_id, item in sorted(found, key=lambda pair: not pair[1].falling)  # those who lose most come first
        for sentence in preview_sentences(item)
    ]
    return {
        "falling": sum(len(item.falling) for _, item in found),
        "surviving": sum(len(item.surviving) for _, item in found),
        "listed": listed[:MOST_LISTED],
    }


# --- what waits


def waiting(reason: str | None, place: WaitingPlace, limit: int) -> tuple[list[dict[str, Any]], WaitingPlace | None]:
    """Return a page of what waits, by reason, and where the next one starts. Raises RefusedActError."""
    demand_records()
    if reason is not None and reason not in set(Waiting):
        raise RefusedActError(422, f"{reason[:40]!r} is no reason", f"choose of: {', '.join(Waiting)}", "reason")
    page, following = seen.see_waiting(None if reason is None else Waiting(reason), place, limit)
    rows = [
        {
            "kind": target.kind,
            "learner_id": target.owner if isinstance(target.owner, int) else None,
            "key": target.key if isinstance(target.owner, int) else target.owner,
            "reason": code or None,
            "meaning": REASONS[Waiting(code)].meaning if code else "It was not tried so far, or is being sent.",
            "remedy": REASONS[Waiting(code)].remedy if code else "",
        }
        for target, code in page
    ]
    return rows, following


def retry(learner_id: int | None, course_run: str | None, kind: str | None, of: str | None, now: datetime) -> int:
    """Have all that waits of a learner, or the dates of a course run, be tried within a minute or two.

    With `kind` and `of` it is one delivery of the learner, and it is sent again even if it is acknowledged. Return how
    many deliveries these are. Raises RefusedActError, LostRaceError.
    """
    demand_records()
    owner = learner_id if learner_id is not None else course_run
    if owner is None or (learner_id is not None and course_run is not None):
        raise RefusedActError(422, "whose?", "name a learner or a course run, and not both", "learner_id")
    if kind is None and of is None:
        return seen.retry(owner, now)
    sent_again = _SENT_AGAIN.get(kind or "")
    if sent_again is None or of is None or learner_id is None:
        fix = f"one delivery is a learner's, with kind ({', '.join(_SENT_AGAIN)}) and of, its key in the list"
        raise RefusedActError(422, "which delivery?", fix, "kind")
    count = seen.send_again(Target(sent_again, learner_id, of), now)
    if count is None:
        raise RefusedActError(404, "nothing of this was to be delivered", "compare kind and key with the list", "of")
    return count


_SENT_AGAIN: Mapping[str, Kind] = {str(kind): kind for kind in (Kind.COURSE, Kind.GRADE, Kind.PROGRAM)}

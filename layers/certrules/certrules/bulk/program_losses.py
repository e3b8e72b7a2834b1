"""The program certificates that would fall with a plan, by name, and those that another course run carries."""

from collections.abc import Callable, Collection, Mapping
from itertools import batched, islice
from typing import Any

import msgspec

from certrules import aws
from certrules.bulk.lifecycle import programs_shown
from certrules.bulk.runs import PartName, PlannedChange, digest_of, folder_of
from certrules.bulk.seal import NOTHING_IS_APPLIED, PlanError, checked_plan, request_of
from certrules.core.explain.programs import preview_sentences
from certrules.core.programs.preview import ProgramsPreview
from certrules.core.terms import Status

type Preview = Callable[[int, Collection[str]], ProgramsPreview]
"""Returns what becomes of a learner's programs without the certificates in some course runs."""

MOST_LOOKED_AT = 5_000
"""Of so many learners programs are looked at, those with the lowest ids; a few requests each."""

MOST_LISTED = 100
"""How many program certificates are listed; those of all who are looked at are counted."""

_AT_ONCE = 20
"""How many parts of the plan are in memory at once."""


def program_losses(bucket: str, run: Mapping[str, Any], preview: Preview | None) -> dict[str, Any] | None:
    """Return what would become of program certificates by the sealed plan of a run; None if nobody loses anything.

    `preview` None: records are off.

    All that a learner would lose by the plan counts at once: one course run may carry what another one loses. Raises
    PlanError if files of the plan were altered since it was sealed.
    """
    if preview is None or request_of(run).purpose != "regenerate":
        return None
    folder = folder_of(bucket, run["id"])
    _, parts, _ = checked_plan(folder, run)
    lost = _lost(folder, parts)
    if not lost:
        return None
    looked_at = list(islice(sorted(lost), MOST_LOOKED_AT))
    found = aws.each(lambda learner_id: (learner_id, preview(learner_id, lost[learner_id])), looked_at)
    listed = [
        {"learner_id": learner_id, "sentence": sentence}
        for learner_id, item in sorted(found, key=lambda pair: not pair[1].falling)  # those who lose most come first
        for sentence in preview_sentences(item)
    ]
    return {
        "learners": len(lost),
        "looked_at": len(looked_at),
        "falling": sum(len(item.falling) for _, item in found),
        "surviving": sum(len(item.surviving) for _, item in found),
        "listed": listed[:MOST_LISTED],
    }


def reported_losses(bucket: str, run: Mapping[str, Any], preview: Preview | None) -> dict[str, Any] | None:
    """Return the same for the report: as it was shown for approval; of a plan that is never applied, as it is now."""
    if preview is None:
        return None
    shown = programs_shown(run["id"])
    is_sealed = bool((run.get("sealed") or {}).get("hash"))
    if shown is not None or request_of(run).applies or not is_sealed:
        return shown
    try:
        return program_losses(bucket, run, preview)
    except PlanError:
        return None  # the report is written all the same, and shows what else is known


def _lost(folder: aws.Folder, parts: Collection[PartName]) -> dict[int, set[str]]:
    """Return the course runs in which each learner would lose a certificate."""
    lost: dict[int, set[str]] = {}
    for some in batched(parts, _AT_ONCE, strict=False):
        contents = aws.each(lambda part: folder.read(f"plan/{part.name}.json"), some)
        for part, content in zip(some, contents, strict=True):
            if content is None or digest_of(content) != part.sha256:
                raise PlanError(f"plan/{part.name}.json was altered since the plan was sealed; {NOTHING_IS_APPLIED}")
            for change in msgspec.json.decode(content, type=list[PlannedChange]):
                if change.revokes and change.after != Status.DOWNLOADABLE:
                    lost.setdefault(change.learner_id, set()).add(change.course_run)
    return lost

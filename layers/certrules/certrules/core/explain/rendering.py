"""Explanations as text and as JSON."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from certrules.core.explain.explanation import Explanation
from certrules.core.explain.findings import Finding
from certrules.core.explain.programs import ProgramExplanation
from certrules.core.explain.what_if import PossibleChange
from certrules.core.terms import Status
from certrules.core.wording import (
    clause,
    listed,
    when,
)

_RESTS_ON: Mapping[str, str] = {
    "date_override": "set by a date override",
    "available_date": "the course run's available date",
    "course_end": "the end of the course run",
    "issued_at": "the day of issue",
}


def as_text(explanation: Explanation, *, brief: bool = False) -> str:
    """Write an explanation as lines of plain text, the last one ended too; a brief one without what it rests on."""
    downloadable = explanation.status is Status.DOWNLOADABLE
    title = "What would make the facts carry it" if downloadable else "What would make it downloadable"
    lines = [
        f"Learner {explanation.learner_id} in {explanation.course_run}",
        f"As of {when(explanation.as_of)}, by the policy {explanation.policy_version}",
        "",
        explanation.sentence,
        *_shown_lines(explanation),
        *_spelling_lines(explanation),
        *_block("What was ignored", [f"- {warning.sentence}" for warning in explanation.warnings]),
        *_block("What can be done", [f"- {step.sentence}" for step in explanation.next_steps]),
        *_block(title, [f"- {_changes_text(changes)}" for changes in explanation.counterfactuals]),
    ]
    if not brief:
        findings = [line for item in explanation.verdicts for line in _finding_lines(item)]
        lines += _block("What each rule says", findings)
        lines += _block("What happened", [moment.sentence for moment in explanation.timeline])
    return "\n".join(lines) + "\n"


def _block(title: str, lines: list[str]) -> list[str]:
    return ["", f"{title}:", *(f"  {line}" for line in lines)] if lines else []


def _shown_lines(explanation: Explanation) -> list[str]:
    date, rests_on, visible_from = explanation.shown
    if date is None:
        return []
    visible = "learners don't see it yet because the date that it waits for is unknown"
    if visible_from is not None:
        has_begun = visible_from <= explanation.as_of
        visible = f"learners {'have seen it since' if has_begun else 'will see it from'} {when(visible_from)}"
    return [f"It shows the date {when(date)} ({_RESTS_ON[rests_on]}); {visible}."]


def _spelling_lines(explanation: Explanation) -> list[str]:
    if not explanation.other_spellings:
        return []
    keys = listed([*explanation.other_spellings])
    return [f"Something is known under another spelling of the key, too: {keys}. What is missing here may be there."]


def _finding_lines(finding: Finding) -> list[str]:
    return [
        f"{finding.verdict:<6}  {finding.sentence}",
        *(f"        {evidence.sentence}" for evidence in finding.evidence),
    ]


def _changes_text(changes: tuple[PossibleChange, ...]) -> str:
    return listed([f"{clause(change.sentence)} ({change.who})" for change in changes])


def program_as_text(explanation: ProgramExplanation) -> str:
    """Write the explanation of a program as lines of plain text, the last one ended too."""
    kind = f", {explanation.type}" if explanation.type else ""
    lines = [
        f"Learner {explanation.learner_id} in the program {explanation.title} ({explanation.program}{kind})",
        f"As of {when(explanation.as_of)}, by the definition of {when(explanation.defined_at)}",
        "",
        explanation.sentence,
        *_block("What can be done", [f"- {step}" for step in explanation.next_steps]),
        *_block("Its courses", [finding.sentence for finding in explanation.courses]),
    ]
    return "\n".join(lines) + "\n"


def as_json(explanation: tuple[Any, ...]) -> dict[str, Any]:
    """Return a named tuple as JSON has it: the fields by their names, instants as ISO 8601 with `Z`.

    Of a possible change only the code, the sentence and who can do it are given.
    """
    body: dict[str, Any] = _plain(explanation)
    return body


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    if isinstance(value, PossibleChange):
        return {"code": value.code, "sentence": value.sentence, "who": value.who}
    if isinstance(value, tuple):
        fields = getattr(value, "_fields", None)
        items = [_plain(item) for item in value]
        return items if fields is None else dict(zip(fields, items, strict=True))
    return str(value) if isinstance(value, str) else value

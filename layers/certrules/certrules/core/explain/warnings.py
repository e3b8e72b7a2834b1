"""What was received and not used: fields that make no sense, and letter grades that the policy does not know."""

from datetime import datetime
from typing import NamedTuple

from certrules.core.fact_types import Fact, Grade
from certrules.core.letters import letter_key, names_no_pass
from certrules.core.policy import Policy
from certrules.core.timeline import Timeline, at_instant, ignored_fields
from certrules.core.wording import dated


class FieldWarning(NamedTuple):
    """A field that was not used: the fact that it would have changed stayed as it was."""

    field: str  # its name in the event or the table
    sentence: str
    event_id: str
    at: datetime  # UTC


def warnings_of(timeline: Timeline, as_of: datetime, policy: Policy) -> tuple[FieldWarning, ...]:
    """Return the fields that are not used as of an instant (UTC), when this policy is in force."""
    found = []
    for entry in ignored_fields(timeline, as_of):
        text = entry.wording(as_of)
        sentence = dated(text.event, entry.at, None, text.detail, entry.event_id)
        found.append(FieldWarning(entry.subject, sentence, entry.event_id, entry.at))
    graded = at_instant(timeline, as_of).get((Fact.GRADE, ""))
    if graded is not None and is_unknown(graded.value, policy):
        text = graded.wording(as_of)
        sentence = f"{dated(text.event, graded.at, None, '', graded.event_id)} {letter_text(graded.value, policy)}"
        found.append(FieldWarning("letter_grade", sentence, graded.event_id, graded.at))
    return tuple(found)


def is_unknown(grade: Grade, policy: Policy) -> bool:
    """Whether a grade's letter is one that the policy would have to know to count it."""
    known = grade.has_passed_timestamp or letter_key(grade.letter) in policy.passing_letters
    return not known and grade.may_mean_passed


def letter_text(grade: Grade, policy: Policy) -> str:
    """Return the sentence on what a letter grade means by a policy."""
    if names_no_pass(grade.letter):
        return f"The letter {grade.letter} never counts as passed; it is no evidence of failing either."
    if letter_key(grade.letter) in policy.passing_letters:
        return f"By the policy {policy.version} the letter {grade.letter} means passed."
    if grade.has_passed_timestamp:
        return f"The letter {grade.letter} counts as passed because the grade has a passed_timestamp."
    return (
        f"The policy {policy.version} does not know the letter {grade.letter}: it is evidence neither of passing nor "
        "of failing. If it means passed, an operator adds it to the policy's passing_letters."
    )

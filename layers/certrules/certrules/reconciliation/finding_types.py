"""The types of findings: a row each, with its sentence, its remedy, and whether it is healed."""

from collections.abc import Mapping
from typing import NamedTuple

from certrules.storage import Pair


class FindingType(NamedTuple):
    """A type of finding."""

    code: str  # never renamed: in reports, events and the runbook
    sentence: str
    remedy: str
    is_healed: bool  # its cause is a lost delivery, which is sent again


UNPUBLISHED = FindingType(
    "unpublished",
    "A change was saved, but its events never reached the bus.",
    "They are put on the bus under their own ids, and those after them once more, in order.",
    is_healed=True,
)


UNDECIDED = FindingType(
    "undecided",
    "It would be decided otherwise with a newer ID verification or course run, or at a time that came.",
    "The certificate is decided again, as if the lost request had come.",
    is_healed=True,
)


OTHERWISE = FindingType(
    "otherwise",
    "The facts, nothing of which is new, would now be decided otherwise.",
    "If the policy was changed without a date, regenerate the course runs; else explain the case and redecide it.",
    is_healed=False,
)


CONTRADICTED = FindingType(
    "contradicted",
    "The certificate is not the one in its last history item, nor one that the old logic recorded.",
    "Something else changed the record. Explain the case, then redecide it: that writes the outcome of the facts.",
    is_healed=False,
)


OLD_LOGIC_DIFFERS = FindingType(
    "old_logic_differs",
    "The old logic recorded another certificate after this service published one; the published one stays.",
    "Stop the old logic in this course run. If its certificate is the right one, correct the facts that differ.",
    is_healed=False,
)


HISTORY_MISSING = FindingType(
    "history_missing",
    "History lacks an item that the record counts.",
    "Copy the item back from a restored backup of the history table.",
    is_healed=False,
)


RECORD_MISSING = FindingType(
    "record_missing",
    "History has a change that the record does not count, or there is no record.",
    "The certificates table is older than history: replay the archive from the time of its backup on.",
    is_healed=False,
)


UNREADABLE = FindingType(
    "unreadable",
    "An item can't be read.",
    "Copy the item back from a restored backup of its table.",
    is_healed=False,
)


FINDING_TYPES: Mapping[str, FindingType] = {
    row.code: row
    for row in (
        UNPUBLISHED,
        UNDECIDED,
        OTHERWISE,
        CONTRADICTED,
        OLD_LOGIC_DIFFERS,
        HISTORY_MISSING,
        RECORD_MISSING,
        UNREADABLE,
    )
}


class RecordFinding(NamedTuple):
    """A difference that was found."""

    code: str
    learner_id: int
    course_run: str
    number: int = 0  # of the history item; 0: it is about the record

    @property
    def pair(self) -> Pair:
        """The learner and course run that it is about."""
        return Pair(self.learner_id, self.course_run)

"""A learner's standing in a course run as a short text, by which an index counts and lists learners.

`<status><!>|<mode>|<reasons>|<day>`: a letter for the published status (`-`: no certificate), `!` if its revocation is
pending, the enrollment mode, a letter for each unmet rule, and the day (UTC, YYYYMMDD) of the award or of the loss.
"""

from typing import NamedTuple

from certrules.core.deciding import DecidedRecord
from certrules.core.guard import PublishedCertificate
from certrules.core.terms import Status

LETTERS = {
    "not_enrolled": "e",
    "mode_not_eligible": "m",
    "id_not_verified": "v",
    "id_verification_expired": "x",
    "invalidated": "i",
    "web_certificates_off_instance": "w",
    "web_certificates_off_course_run": "c",
    "course_run_unknown": "u",
    "no_grade": "g",
    "not_passed": "p",
    "beta_tester": "b",
    "ccx": "k",
}
"""A letter for each rule. They are stored: a letter is never given to another rule."""

STATUS_LETTERS = {
    Status.DOWNLOADABLE: "d",
    Status.NOTPASSING: "n",
    Status.UNAVAILABLE: "u",
    Status.UNVERIFIED: "v",
    Status.AUDIT_NOTPASSING: "a",
    Status.AUDIT_PASSING: "b",
    Status.AUDITING: "c",
    Status.DELETED: "e",
    Status.DELETING: "f",
    Status.ERROR: "g",
    Status.GENERATING: "h",
    Status.HONOR_PASSING: "i",
    Status.INVALIDATED: "j",
    Status.REQUESTING: "k",
    Status.RESTRICTED: "l",
}
"""A letter for each status; stored like those of the rules."""

EARLIER = "0001-01-01"
"""Stands for all days that are counted as one, where standings are counted."""

_REASONS = {letter: code for code, letter in LETTERS.items()}
_STATUSES = {letter: status for status, letter in STATUS_LETTERS.items()}
_MOST_OF_A_MODE = 40
_NONE = "-"

STEPS = ("received", "enrolled", "eligible_mode", "verified", "passed", "downloadable")
"""How far a learner is on the way to a certificate; each step includes those before it."""

_ENDS = (("not_enrolled",), ("mode_not_eligible",), ("id_not_verified", "id_verification_expired"))
_NOT_PASSED = ("no_grade", "not_passed")


class Standing(NamedTuple):
    """What a learner has in a course run, and why not more, as of the last saved decision."""

    status: Status | None  # None: no certificate
    is_pending: bool  # whether the revocation is pending or held
    mode: str  # of the enrollment; "" if none was received
    reasons: tuple[str, ...]  # the codes of the unmet rules; empty if downloadable
    day: str = ""  # YYYY-MM-DD (UTC) of the award, or of the loss of what was awarded; "" if there was no award

    @property
    def text(self) -> str:
        """The standing as it is stored."""
        status = STATUS_LETTERS[self.status] if self.status else _NONE
        pending = "!" if self.is_pending else ""
        letters = "".join(sorted(LETTERS[code] for code in self.reasons))
        return f"{status}{pending}|{self.mode}|{letters}|{self.day.replace('-', '')}"

    @property
    def step(self) -> int:
        """How far the learner is, as a place in STEPS: the allowlist takes one to the end without passing."""
        if self.status is Status.DOWNLOADABLE:
            return len(STEPS) - 1
        unmet = set(self.reasons)
        for number, codes in enumerate((*_ENDS, _NOT_PASSED)):
            if unmet & set(codes):
                return number
        return len(STEPS) - 2

    @property
    def change(self) -> str:
        """What happened on the day: `awarded`, `lost`, or "" without a day."""
        if not self.day:
            return ""
        return "awarded" if self.status is Status.DOWNLOADABLE else "lost"


def standing_of(decided: DecidedRecord, published: PublishedCertificate) -> Standing:
    """Return the standing after a decision; `published` is as much of its publication as is saved with it."""
    certificate = published.certificate
    status = None if certificate is None else certificate.status
    decision = decided.outcome.decision
    awarded = None if certificate is None else certificate.issued_at
    if awarded is not None and status is not Status.DOWNLOADABLE and published.transitions:
        awarded = published.transitions[-1].at
    return Standing(
        status,
        published.pending is not None,
        _mode(decision.facts.mode or ""),
        () if status is Status.DOWNLOADABLE else tuple(sorted(decision.unmet)),
        "" if awarded is None else f"{awarded:%Y-%m-%d}",
    )


def _mode(mode: str) -> str:
    return mode.replace("|", "_")[:_MOST_OF_A_MODE]


def read_standing(text: str) -> Standing:
    """Return the standing of a stored text. A letter of a later release is no reason here."""
    status, mode, letters, day = text.split("|")
    return Standing(
        _STATUSES.get(status.rstrip("!")),
        status.endswith("!"),
        mode,
        tuple(sorted(_REASONS[letter] for letter in letters if letter in _REASONS)),
        f"{day[:4]}-{day[4:6]}-{day[6:]}" if day else "",
    )

"""Replies for a ticket in plain text: one for the learner, without internals, and one for a colleague, with ids."""

from collections.abc import Iterator
from datetime import datetime
from gettext import GNUTranslations
from typing import Any
from zoneinfo import ZoneInfo

from certrules.core.explain.explanation import Explanation
from certrules.core.explain.rendering import as_text
from certrules.core.rules import RULES
from certrules.core.terms import REVOKING, Status
from certrules.formats.words import WORDS
from certrules.requests import RefusedActError
from certrules.support.catalogue import catalogue, languages

UTC_ZONE = "UTC"

SENTENCES = (
    *("hello", "why", "do", "close", "date.day", "date.instant", *(f"month.{number}" for number in range(1, 13))),
    *(f"{part}.{name}" for part in ("shown", "do") for name in ("visible", "later", "unknown")),
    *("do.nothing_known", "pending.due", "pending.held", "status.none", *(f"status.{status}" for status in Status)),
    *(f"{part}.{rule.code}" for rule in RULES for part in ("why", "do")),
    *(f"pending.{part}.{cause}" for cause in sorted(REVOKING) for part in ("why", "do")),
)
"""Every sentence, and part of one, that a language has to have."""


def zone_of(name: str) -> ZoneInfo:
    """Return a time zone by its name, such as Europe/Madrid. Raises RefusedActError."""
    try:
        return ZoneInfo(name or UTC_ZONE)
    except (OSError, ValueError, KeyError):
        fix = "give a name of the time-zone database, such as Europe/Madrid"
        raise RefusedActError(422, f"{name[:40]!r} is no time zone", fix, "zone") from None


def reply_to_learner(explanation: Explanation, language: str, zone: ZoneInfo, *, is_live: bool = True) -> str:
    """Write what a learner has, why, and what they can do, in their language and at their time.

    `is_live`: whether this service decides in the course run; if the old logic does, its reasons are not known, and
    none are given. Raises RefusedActError for a language of which there is no catalogue.
    """
    try:
        writer = _Writer(catalogue(language), zone)
    except KeyError:
        fix = f"choose of: {', '.join(languages())}"
        raise RefusedActError(422, f"there are no replies in {language[:20]!r}", fix, "language") from None
    status, reasons, steps = _parts(explanation, writer, is_live=is_live)
    blocks = [[writer.text("hello")], status]
    blocks += [[writer.text("why"), *_points(reasons)]] if reasons else []
    blocks += [[writer.text("do"), *_points(steps)]] if steps else []
    blocks.append([writer.text("close", instant=writer.instant(explanation.as_of))])
    return "\n\n".join("\n".join(block) for block in blocks) + "\n"


def _points(sentences: list[str]) -> Iterator[str]:
    return (f"- {sentence}" for sentence in dict.fromkeys(sentences))


class _Writer:
    """Writes sentences of a catalogue."""

    def __init__(self, sentences: GNUTranslations, zone: ZoneInfo) -> None:
        self._sentences, self._zone = sentences, zone

    def text(self, name: str, **filled: str) -> str:
        return self._sentences.gettext(name).format(**filled)

    def day(self, at: datetime) -> str:
        local = at.astimezone(self._zone)
        return self.text("date.day", day=str(local.day), month=self.text(f"month.{local.month}"), year=str(local.year))

    def instant(self, at: datetime) -> str:
        local = at.astimezone(self._zone)
        parts = {"day": str(local.day), "month": self.text(f"month.{local.month}"), "year": str(local.year)}
        return self.text("date.instant", **parts, time=f"{local:%H:%M}", zone=self._zone.key)


def _parts(explanation: Explanation, writer: _Writer, *, is_live: bool) -> tuple[list[str], list[str], list[str]]:
    """Return the sentences on what the learner has, why, and what they can do."""
    pending, shown = explanation.pending, explanation.shown
    if pending is not None:
        state = writer.text("pending.held")
        if pending.due is not None:
            state = writer.text("pending.due", instant=writer.instant(pending.due))
        parts = (writer.text(f"pending.{part}.{pending.cause}") for part in ("why", "do"))
        return [state], [next(parts)], [next(parts)]
    if explanation.status is Status.DOWNLOADABLE:
        name, date = "visible", explanation.as_of
        if shown.visible_from is None:
            name = "unknown"
        elif shown.visible_from > explanation.as_of:
            name, date = "later", shown.visible_from
        elif explanation.certificate is not None and explanation.certificate.issued_at is not None:
            date = explanation.certificate.issued_at
        return [writer.text(f"shown.{name}", date=writer.day(date))], [], [writer.text(f"do.{name}")]
    state = writer.text(f"status.{explanation.status or 'none'}")
    unmet = [finding.code for finding in explanation.verdicts if finding.verdict == "unmet"] if is_live else []
    steps = [writer.text(f"do.{code}") for code in unmet] or [writer.text("do.nothing_known")]
    return [state], [writer.text(f"why.{code}") for code in unmet], steps


def reply_to_colleague(explanation: Explanation, fields: dict[str, Any]) -> str:
    """Write a case for a colleague, in English and UTC: the answer, what can be done, and every id of the ticket."""
    facts = [f"{WORDS['field'][name]}: {value}" for name, value in fields.items() if value is not None]
    events = [
        f"{finding.code}: event {evidence.event_id}"
        for finding in explanation.verdicts
        for evidence in finding.evidence
        if finding.verdict == "unmet" and evidence.event_id
    ]
    blocks = [as_text(explanation, brief=True).rstrip(), "\n".join(facts)]
    blocks += ["\n".join(["What is unmet rests on:", *events])] if events else []
    return "\n\n".join(blocks) + "\n"

"""What an import would publish in course runs that are live, and whether it may go on."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from certs.imports.company import CERTIFICATES

GRADES = "grades_persistentcoursegrade"


@dataclass(slots=True)
class ImportPreview:
    """What an import would publish."""

    live: set[str] = field(default_factory=set)  # course runs that it names and that are live, or in which it publishes
    new: set[str] = field(default_factory=set)  # course runs that it is the first to name: they begin in shadow
    settings_changed: set[str] = field(default_factory=set)  # live course runs whose learners are decided again
    published: list[Mapping[str, Any]] = field(default_factory=list)  # the certificates, see certrules.import_preview

    @classmethod
    def of(cls, parts: Iterable[Mapping[str, Any]]) -> "ImportPreview":
        """Join the previews of an import's parts."""
        preview = cls()
        for part in parts:
            preview.live.update(part["live"])
            preview.new.update(part["new"])
            preview.settings_changed.update(part["settings_changed"])
            preview.published += part["published"]
        preview.live.update(item["course_run"] for item in preview.published)
        return preview

    def changes(self) -> Counter[str]:
        """Count the certificates by what would become of them."""
        return Counter(
            f"{item['before'] or 'no certificate'} → {item['after']}{', under a new id' if item['is_new_id'] else ''}"
            for item in self.published
        )

    def lacking(self, complete: Iterable[str]) -> list[str]:
        """Return the live course runs that are not `complete`: of which the import has certificates and grades."""
        return sorted(self.live.difference(complete))


def what_lacks(course_runs: list[str]) -> str:
    """Return why an import may not go on into these live course runs, and the fix."""
    named = ", ".join(course_runs[:5]) + (f" and {len(course_runs) - 5} more" if len(course_runs) > 5 else "")
    return (
        f"nothing was imported: {CERTIFICATES} or {GRADES} has no row of {len(course_runs)} course runs that are live: "
        f"{named}. Whoever has a certificate on the platform would get another one, under a new id. Import these "
        "tables with the others, or set the course runs to shadow (certs rollout shadow), or go on --partial"
    )

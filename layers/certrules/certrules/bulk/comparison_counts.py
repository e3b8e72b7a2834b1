"""The comparison of whole course runs: counts that add up over shards, samples, and which course runs are ready."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import msgspec

from certrules.bulk.runs import Tally, tally
from certrules.core.comparison import Comparison, Effect, Kind
from certrules.storage import Pair

SAMPLES = 5
"""How many learners of each class are shown of a course run."""

MOST_SAMPLES = 100
"""How many learners of each class are shown of all course runs together; report.csv has them all."""

READY_AGREEMENT = 0.99
"""The part of a course run's certificates on which both logics agree at least, before it is ready to go live."""

READY = (
    "A course run is ready when nothing would be revoked or held, no core fact is missing, every record could be read, "
    f"and both logics agree on at least {READY_AGREEMENT:.0%} of its certificates."
)


class Compared(msgspec.Struct, frozen=True, kw_only=True):
    """A learner on whom the two logics don't agree, or whose certificate would change at going live."""

    kind: Kind
    effect: Effect
    learner_id: int
    course_run: str
    reasons: tuple[str, ...]
    differences: tuple[tuple[str, str, str], ...]  # field, theirs, ours
    sentence: str


class Agreement(msgspec.Struct):
    """How the two logics compare in a course run."""

    learners: int = 0
    certificates: int = 0  # learners of whom either logic has one
    kinds: Tally = msgspec.field(default_factory=dict)
    effects: Tally = msgspec.field(default_factory=dict)
    reasons: Tally = msgspec.field(default_factory=dict)  # "class: reason"
    fields: Tally = msgspec.field(default_factory=dict)
    revocations: int = 0  # learners with a certificate that the facts don't carry, or that going live would hold
    undecided: int = 0

    def add(self, other: "Agreement") -> None:
        """Count all that another has counted."""
        self.learners += other.learners
        self.certificates += other.certificates
        self.revocations += other.revocations
        self.undecided += other.undecided
        for name in ("kinds", "effects", "reasons", "fields"):
            for key, count in getattr(other, name).items():
                tally(getattr(self, name), key, by=count)

    @property
    def agreement(self) -> float:
        """The part of the certificates on which both agree; 1 where there are none."""
        differing = sum(count for kind, count in self.kinds.items() if kind != Kind.AGREE)
        return 1 - differing / self.certificates if self.certificates else 1.0

    def obstacles(self) -> list[str]:
        """Return why the course run is not ready to go live; empty if it is ready."""
        counted = (
            (self.kinds.get(Kind.WOULD_REVOKE, 0), "downloadable by the old logic, and not by the facts"),
            (self.effects.get(Effect.HOLD, 0), "would be held for a person"),
            (self.effects.get(Effect.PENDING, 0), "would be revoked when their hold ends"),
            (self.kinds.get(Kind.NO_OPINION, 0), "of which a core fact is missing"),
            (self.undecided, "could not be read"),
        )
        found = [f"{count:,} {what}" for count, what in counted if count]
        if self.agreement < READY_AGREEMENT:
            found.append(f"agreement on {self.agreement:.1%} of {self.certificates:,} certificates")
        return found


class Comparisons(msgspec.Struct):
    """How the two logics compare, by course run."""

    course_runs: dict[str, Agreement] = msgspec.field(default_factory=dict)
    samples: dict[str, dict[str, list[Compared]]] = msgspec.field(default_factory=dict)  # by course run, then class

    def take(self, pair: Pair, found: Comparison) -> Compared | None:
        """Count a learner. Returns the line to list, None where both agree and nothing would change."""
        counts = self.course_runs.setdefault(pair.course_run, Agreement())
        counts.learners += 1
        counts.certificates += found.certificate
        counts.revocations += found.kind is Kind.WOULD_REVOKE or found.effect in {Effect.HOLD, Effect.PENDING}
        tally(counts.kinds, found.kind)
        tally(counts.effects, found.effect)
        tally(counts.reasons, *(f"{found.kind}: {reason}" for reason in found.reasons))
        tally(counts.fields, *(item.field for item in found.differences))
        if found.kind is Kind.AGREE and found.effect is Effect.NONE:
            return None
        listed = Compared(
            kind=found.kind,
            effect=found.effect,
            learner_id=pair.learner_id,
            course_run=pair.course_run,
            reasons=found.reasons,
            differences=tuple(found.differences),
            sentence=found.sentence,
        )
        self._show([listed])
        return listed

    def fail(self, pair: Pair) -> None:
        """Count a learner who could not be compared."""
        self.course_runs.setdefault(pair.course_run, Agreement()).undecided += 1

    def merge(self, other: "Comparisons") -> None:
        """Count all that another has counted; in whatever order, the counts and the samples are the same."""
        for course_run, counts in other.course_runs.items():
            self.course_runs.setdefault(course_run, Agreement()).add(counts)
        for by_kind in other.samples.values():
            for samples in by_kind.values():
                self._show(samples)

    def _show(self, samples: list[Compared]) -> None:
        for sample in samples:
            of_kind = self.samples.setdefault(sample.course_run, {}).setdefault(sample.kind, [])
            of_kind.append(sample)
            of_kind.sort(key=lambda item: item.learner_id)
            del of_kind[SAMPLES:]

    def report(self) -> dict[str, Any]:
        """Return the report: of the catalogue, and of each course run, with a recommendation."""
        total = Agreement()
        for counts in self.course_runs.values():
            total.add(counts)
        course_runs = [self._report_of(course_run, counts) for course_run, counts in sorted(self.course_runs.items())]
        ready = [row["course_run"] for row in course_runs if row["ready"]]
        return {
            "rule": READY,
            "ready": ready,
            "not_ready": len(course_runs) - len(ready),
            "all": _counts(total),
            "samples": self._shown(),
            "course_runs": course_runs,
        }

    def _report_of(self, course_run: str, counts: Agreement) -> dict[str, Any]:
        obstacles = counts.obstacles()
        return {"course_run": course_run, "ready": not obstacles, "obstacles": obstacles, **_counts(counts)}

    def _shown(self) -> list[dict[str, Any]]:
        """Return samples, the gravest class first; of each class some of every course run, until there are enough."""
        found = []
        for kind in Kind:
            of_kind = [by_kind.get(kind, []) for _, by_kind in sorted(self.samples.items())]
            rounds = (sample[number] for number in range(SAMPLES) for sample in of_kind if number < len(sample))
            found += [item for item, _ in zip(rounds, range(MOST_SAMPLES), strict=False)]
        return [as_json(item) for item in found]


def _counts(counts: Agreement) -> dict[str, Any]:
    return {
        "learners": counts.learners,
        "certificates": counts.certificates,
        "agreement": round(counts.agreement, 6),
        "classes": _by_count(counts.kinds),
        "going_live": _by_count(counts.effects),
        "reasons": _by_count(counts.reasons),
        "fields": _by_count(counts.fields),
        "revocations": counts.revocations,
        "undecided": counts.undecided,
    }


def _by_count(counts: Tally) -> Tally:
    return dict(sorted(((str(name), count) for name, count in counts.items()), key=lambda item: (-item[1], item[0])))


def as_json(item: Compared) -> dict[str, Any]:
    """Return the line of a learner as JSON."""
    differences = [{"field": field, "old_logic": theirs, "facts": ours} for field, theirs, ours in item.differences]
    return {
        "learner_id": item.learner_id,
        "course_run": item.course_run,
        "class": str(item.kind),
        "going_live": str(item.effect),
        "reasons": list(item.reasons),
        "differences": differences,
        "sentence": item.sentence,
    }


COLUMNS = ("learner_id", "course_run", "class", "going_live", "reasons", "differences", "sentence")


def lines(found: Iterable[Compared]) -> Iterator[tuple[object, ...]]:
    """Return the lines of learners as rows of a table with COLUMNS."""
    for item in found:
        differences = "; ".join(f"{field}: {theirs or '-'} / {ours or '-'}" for field, theirs, ours in item.differences)
        reasons = " ".join(item.reasons)
        yield (item.learner_id, item.course_run, item.kind, item.effect, reasons, differences, item.sentence)


def summary_of(report: Mapping[str, Any]) -> dict[str, Any]:
    """Return the part of a report that its event carries."""
    counts = report["all"]
    names = ("learners", "certificates", "agreement", "classes", "going_live", "revocations", "undecided")
    return {**{name: counts[name] for name in names}, "ready": len(report["ready"]), "not_ready": report["not_ready"]}

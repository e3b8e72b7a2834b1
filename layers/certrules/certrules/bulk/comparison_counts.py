"""The comparison of whole course runs: counts that add up over shards, samples, and which course runs are ready."""

from collections.abc import Iterable, Iterator, Mapping
from math import floor
from typing import Any

import msgspec

from certrules.bulk.runs import Tally, tally
from certrules.core.comparison import AGREEING, Comparison, Effect, Kind
from certrules.storage import Pair

SAMPLES = 5
"""How many learners of each class are shown of a course run."""

MOST_SAMPLES = 100
"""How many learners of each class are shown of all course runs together; report.csv has them all."""

READY_AGREEMENT = 0.99
"""The part of a course run's certificates on which both logics agree at least, before it is ready to go live."""

READY = (
    "A course run is ready when certificates of the old logic are recorded to compare with, nothing would be revoked "
    "or held, nothing is issued that the old logic withheld, no core fact is missing, every record could be read, and "
    f"both logics agree on at least {READY_AGREEMENT:.0%} of its certificates."
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

    known: bool = False  # whether any configuration of the course run has been received
    learners: int = 0  # who were compared
    recorded: int = 0  # learners of whom a certificate of the old logic is recorded
    certificates: int = 0  # learners of whom either logic has one
    kinds: Tally = msgspec.field(default_factory=dict)
    effects: Tally = msgspec.field(default_factory=dict)
    reasons: Tally = msgspec.field(default_factory=dict)  # "class: reason"
    fields: Tally = msgspec.field(default_factory=dict)
    revocations: int = 0  # learners with a certificate that the facts don't carry, or that going live would hold
    undecided: int = 0

    def add(self, other: "Agreement") -> None:
        """Count all that another has counted."""
        self.known = self.known or other.known
        for name in ("learners", "recorded", "certificates", "revocations", "undecided"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        for name in ("kinds", "effects", "reasons", "fields"):
            for key, count in getattr(other, name).items():
                tally(getattr(self, name), key, by=count)

    @property
    def agreement(self) -> float | None:
        """The part of the certificates on which both agree; None where nothing was compared."""
        if not self.recorded:
            return None
        differing = sum(count for kind, count in self.kinds.items() if kind not in AGREEING)
        return 1 - differing / self.certificates

    @property
    def withheld(self) -> Tally:
        """The certificates that the old logic withheld for no reason that the facts contain, by its status."""
        prefix = f"{Kind.WITHHELD}: "
        return {key.removeprefix(prefix): count for key, count in self.reasons.items() if key.startswith(prefix)}

    def not_compared(self) -> str | None:
        """Return why nothing was compared; None if something was."""
        if not self.learners and self.undecided:
            return "none of its records could be read; nothing was compared"
        if not self.learners:
            return "no learner is known in it; nothing was compared"
        if not self.recorded:
            return "no certificate of the old logic is recorded in it; there is nothing to compare with"
        return None

    def obstacles(self) -> list[str]:
        """Return why the course run is not ready to go live; empty if it is ready."""
        found = [] if self.known else ["the course run is not known: no configuration of it has been received"]
        counted = (
            (self.kinds.get(Kind.WITHHELD, 0), "withheld by the old logic, for no reason that the facts contain"),
            (self.kinds.get(Kind.WOULD_REVOKE, 0), "downloadable by the old logic, and not by the facts"),
            (self.effects.get(Effect.HOLD, 0), "would be held for a person"),
            (self.effects.get(Effect.PENDING, 0), "would be revoked when their hold ends"),
            (self.kinds.get(Kind.NO_OPINION, 0), "of which a core fact is missing"),
            (self.undecided, "could not be read"),
        )
        found += [f"{count:,} {what}" for count, what in counted if count]
        if (nothing := self.not_compared()) is not None:
            found.append(nothing)
        elif self.agreement is not None and self.agreement < READY_AGREEMENT:
            found.append(f"agreement on {percent(self.agreement, 1)} of {self.certificates:,} certificates")
        return found


def percent(agreement: float | None, digits: int = 2) -> str:
    """Write a part of a whole; what is not all is not 100 %. None: nothing was compared."""
    if agreement is None:
        return "nothing was compared"
    most = 1.0 if agreement == 1 else 1 - 0.1 ** (digits + 2)
    return f"{min(agreement, most):.{digits}%}"


class Comparisons(msgspec.Struct):
    """How the two logics compare, by course run."""

    course_runs: dict[str, Agreement] = msgspec.field(default_factory=dict)
    samples: dict[str, dict[str, list[Compared]]] = msgspec.field(default_factory=dict)  # by course run, then class

    def look_at(self, course_run: str, *, known: bool) -> None:
        """Have a course run in the report, even if no learner is known in it."""
        counts = self.course_runs.setdefault(course_run, Agreement())
        counts.known = counts.known or known

    def take(self, pair: Pair, found: Comparison) -> Compared | None:
        """Count a learner. Returns the line to list, None where both agree and nothing would change."""
        counts = self.course_runs.setdefault(pair.course_run, Agreement())
        counts.learners += 1
        counts.recorded += found.recorded
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
            "not_compared": [row["course_run"] for row in course_runs if row["not_compared"]],
            "all": _counts(total),
            "samples": self._shown(),
            "course_runs": course_runs,
        }

    def _report_of(self, course_run: str, counts: Agreement) -> dict[str, Any]:
        obstacles = counts.obstacles()
        return {
            "course_run": course_run,
            "known": counts.known,
            "ready": not obstacles,
            "obstacles": obstacles,
            "not_compared": counts.not_compared(),
            **_counts(counts),
        }

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
        "recorded": counts.recorded,
        "certificates": counts.certificates,
        "agreement": None if counts.agreement is None else floor(counts.agreement * 1e6 + 1e-6) / 1e6,
        "classes": _by_count(counts.kinds),
        "going_live": _by_count(counts.effects),
        "reasons": _by_count(counts.reasons),
        "fields": _by_count(counts.fields),
        "revocations": counts.revocations,
        "withheld": sum(counts.withheld.values()),
        "withheld_by_status": _by_count(counts.withheld),
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
    names = (
        "learners", "recorded", "certificates", "agreement", "classes", "going_live", "revocations", "withheld",
        "undecided",
    )  # fmt: skip
    return {
        **{name: counts[name] for name in names},
        "ready": len(report["ready"]),
        "not_ready": report["not_ready"],
        "not_compared": len(report["not_compared"]),
    }

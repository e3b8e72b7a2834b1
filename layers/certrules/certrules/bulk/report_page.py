"""The report of a bulk run as a page of its own: without scripts, and without anything from elsewhere."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from certrules.bulk.comparison_counts import percent
from certrules.core.comparison import KINDS, Effect, Kind
from certrules.formats.words import change_words, count_words, words_of

SHOWN = 20
"""How many bars a chart has, and how many rows a table."""

BAR_WIDTH = 340

type Row = Sequence[object]


class Bar(NamedTuple):
    """A bar of a chart."""

    name: str
    total: int
    width: int


_templates = Environment(loader=FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=StrictUndefined)


def page(report: Mapping[str, Any]) -> str:
    """Return the page of a report."""
    comparison = report.get("comparison")
    template = _templates.get_template("report.html")
    text: str = template.render(
        title=f"Bulk run {report['id']}",
        report=report,
        state=words_of("run_state", report["state"]),
        facts=_facts(report),
        comparison=_comparison(comparison) if comparison else None,
        outcomes=_outcomes(report) if report["plan"] else (),
        programs=_programs(report["programs"]),
        failures=_failures(report),
        changed_since=_changed_since(report),
        cost=_cost(report["cost"]),
        bars_of=bars_of,
        words=count_words,
        shown=SHOWN,
    )
    return text + "\n"


def bars_of(counts: Mapping[str, int]) -> list[Bar]:
    """Return counts as bars, the largest first; those beyond SHOWN are one bar together."""
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    bars, rest = ordered[:SHOWN], ordered[SHOWN:]
    if rest:
        bars = [*bars, (f"{len(rest)} others", sum(count for _, count in rest))]
    most = max((count for _, count in bars), default=0) or 1
    return [Bar(name, count, round(BAR_WIDTH * count / most)) for name, count in bars]


def _facts(report: Mapping[str, Any]) -> list[Row]:
    approval = report["approval"]
    rows: list[Row] = [
        ("Asked for by", report["by"]),
        ("Why", report["reason"]),
        ("Course runs", _scope(report)),
        ("Decided as of", report["at"]),
        ("Policy", report["policy"]),
        ("Approved by", approval["by"] if approval else "nobody had to" if report["state"] == "done" else "nobody"),
        ("Took", f"{report['seconds']['elapsed']:,.0f} seconds"),
    ]
    if report["plan"]:
        rows.insert(5, ("Records looked at", f"{report['plan']['records']:,}"))
        rows.append(("Plan", report["plan"]["hash"]))
    return rows


def _scope(report: Mapping[str, Any]) -> str:
    course_runs = report["course_runs"]
    text = "all course runs" if course_runs == "all" else ", ".join(course_runs[:SHOWN])
    if course_runs != "all" and len(course_runs) > SHOWN:
        text += f" and {len(course_runs) - SHOWN} more"
    text += f"; only {', '.join(report['statuses'])}" if report["statuses"] else ""
    return text + (f"; only {report['learners']} learners" if report["learners"] else "")


def _outcomes(report: Mapping[str, Any]) -> list[Row]:
    counts = report["plan"]["counts"]
    rows = [("planned", counts["changes"]), ("... of which take a certificate away", counts["revocations"])]
    if programs := report["programs"]:
        rows.append(("program certificates that fall with these", programs["falling"]))
        rows.append(("... that stay because another course run carries them", programs["surviving"]))
    rows += [(words_of("outcome", name), count) for name, count in report["outcome"].items() if count]
    return [(name, f"{count:,}") for name, count in rows]


def _programs(programs: Mapping[str, Any] | None) -> list[Row]:
    """Return what becomes of program certificates by the plan."""
    rows: list[Row] = [(item["learner_id"], item["sentence"]) for item in programs["listed"]] if programs else []
    if programs and (left := programs["learners"] - programs["looked_at"]):
        rows.append(("", f"Of {left:,} more learners who lose a certificate, programs were not looked at."))
    return rows


def _comparison(comparison: Mapping[str, Any]) -> dict[str, Any]:
    """Return how the two logics compare: all together, which course runs are ready, and who differs."""
    counts = comparison["all"]
    by_class: dict[str, list[Row]] = {name: [] for name in KINDS if name != Kind.AGREE}
    for item in comparison["samples"]:
        if item["class"] in by_class:
            by_class[item["class"]].append((item["learner_id"], item["course_run"], item["sentence"]))
    return {
        "facts": [
            ("Learners", f"{counts['learners']:,}"),
            ("... of whom either logic has a certificate", f"{counts['certificates']:,}"),
            ("... of whom a certificate of the old logic is recorded", f"{counts['recorded']:,}"),
            ("Both agree on", percent(counts["agreement"])),
            ("Withheld by the old logic, for no reason that the facts contain", _withheld(counts)),
            ("Course runs that are ready to go live", f"{len(comparison['ready']):,}"),
            ("... that are not", f"{comparison['not_ready']:,}"),
            ("... of which nothing was compared", f"{len(comparison['not_compared']):,}"),
        ],
        "classes": {name: count for name, count in counts["classes"].items() if name != "agree"},
        "going_live": counts["going_live"],
        "reasons": counts["reasons"],
        "fields": counts["fields"],
        "course_runs": [
            (
                row["course_run"],
                f"{row['certificates']:,}",
                percent(row["agreement"]),
                "; ".join(row["obstacles"]) or "ready",
            )
            for row in sorted(comparison["course_runs"], key=lambda row: (row["ready"], row["agreement"] or 0))
        ],
        "rule": comparison["rule"],
        "issued": [(item["learner_id"], item["course_run"], item["sentence"]) for item in comparison["issued"]],
        "issued_count": counts["going_live"].get(Effect.ISSUE, 0),
        "samples": [(f"{name}: {KINDS[Kind(name)]}", rows) for name, rows in by_class.items()],
    }


def _withheld(counts: Mapping[str, Any]) -> str:
    by_status = ", ".join(
        f"{count:,} {words_of('status', status)}" for status, count in counts["withheld_by_status"].items()
    )
    return f"{counts['withheld']:,}" + (f" ({by_status})" if by_status else "")


def _failures(report: Mapping[str, Any]) -> list[Row]:
    return [
        (item["what"], item["learner_id"] or "", item["course_run"] or "", item["error"]) for item in report["failures"]
    ]


def _changed_since(report: Mapping[str, Any]) -> list[Row]:
    rows: list[Row] = []
    for item in report["changed_since"]:
        now = item.get("now")
        would = change_words(f"{now['from'] or 'none'} > {now['to'] or 'none'}") if now else "nothing would change"
        rows.append((item["learner_id"], item["course_run"], would))
    return rows


def _cost(cost: Mapping[str, Any]) -> list[Row]:
    rows: list[Row] = [
        (name, f"{item['units']:,.0f}", f"${item['dollars']:.4f}") for name, item in cost["items"].items()
    ]
    return [*rows, ("together", "", f"${cost['dollars']:.4f}")]

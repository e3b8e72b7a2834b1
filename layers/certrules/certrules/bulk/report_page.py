"""The report of a bulk run as a page by itself: no script, nothing from elsewhere."""

from collections.abc import Iterable, Mapping
from html import escape
from typing import Any

from certrules.core.comparison import KINDS, Kind

_STYLE = """
:root { color-scheme: light dark; --ink: light-dark(#1b1f24, #e8eaed); --soft: light-dark(#57606a, #aab2bd);
  --paper: light-dark(#fff, #14171a); --line: light-dark(#c9d1d9, #3a424a); --bar: light-dark(#0a53be, #8ab4f8); }
body { font: 1rem/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper); max-width: 60rem;
  margin: 2rem auto; padding: 0 1.25rem; }
table { border-collapse: collapse; width: 100%; } caption { text-align: left; color: var(--soft); }
th, td { text-align: left; vertical-align: top; padding: .3rem .75rem .3rem 0; border-bottom: 1px solid var(--line);
  overflow-wrap: anywhere; }
td.number, th.number { text-align: right; } .soft { color: var(--soft); }
svg { width: 100%; height: auto; } svg rect { fill: var(--bar); } svg text { fill: var(--ink); font-size: 13px; }
"""

SHOWN = 20
"""How many bars a chart has, and how many rows a table."""

STATES: Mapping[str, str] = {
    "planned": "Planned; nothing was changed.",
    "done": "Done: everything that the plan lists was looked at.",
    "incomplete": "Not complete: what is named below failed. Resume the run when its cause is mended.",
    "failed": "Failed before anything was changed. Resume the run when the cause is mended.",
    "declined": "Declined; nothing was changed.",
    "expired": "Nobody approved the plan in time; nothing was changed. Start a new run if it is still wanted.",
}


def page(report: Mapping[str, Any]) -> str:
    """Return the page."""
    plan = report["plan"]
    title = f"Bulk run {report['id']}"
    parts = [
        f"<h1>{escape(title)}</h1><p><strong>{escape(STATES[report['state']])}</strong></p>",
        _facts(report),
    ]
    if report["problem"]:
        parts.append(f"<p>What went wrong: {escape(report['problem'])}</p>")
    if report.get("comparison"):
        parts.append(_comparison(report["comparison"]))
    if plan:
        counts = plan["counts"]
        parts += [
            f"<h2>{'What going live would change' if report.get('comparison') else 'Changes'}</h2>",
            _outcomes(report),
            chart("By status, from and to", counts["by_status"]),
            chart("By cause", counts["by_cause"]),
            chart("By reason why there is no downloadable certificate", counts["by_reason"]),
            chart("By course run", counts["by_course_run"]),
        ]
    parts += [
        _rows("What failed", ("what", "learner", "course run", "error"), _failures(report)),
        _rows("What had changed since it was planned, and was not written", *_changed_since(report)),
        _cost(report),
    ]
    body = "\n".join(part for part in parts if part)
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f"<style>{_STYLE}</style></head><body><main>\n{body}\n</main></body></html>\n"
    )


def chart(title: str, counts: Mapping[str, int]) -> str:
    """Return counts as bars (SVG), the largest first; what is beyond SHOWN is added up."""
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    bars, rest = ordered[:SHOWN], ordered[SHOWN:]
    if rest:
        bars = [*bars, (f"{len(rest)} others", sum(count for _, count in rest))]
    if not bars:
        return ""
    most = max(count for _, count in bars)
    height = 24 * len(bars)
    drawn = "".join(
        f'<text x="0" y="{24 * row + 16}">{escape(name)}</text>'
        f'<rect x="330" y="{24 * row + 4}" width="{max(1, round(340 * count / most))}" height="16"></rect>'
        f'<text x="{338 + round(340 * count / most)}" y="{24 * row + 16}">{count:,}</text>'
        for row, (name, count) in enumerate(bars)
    )
    named = escape(f"{title}: " + ", ".join(f"{name} {count}" for name, count in bars), quote=True)
    return f'<h3>{escape(title)}</h3><svg viewBox="0 0 760 {height}" role="img" aria-label="{named}">{drawn}</svg>'


def _facts(report: Mapping[str, Any]) -> str:
    course_runs, approval = report["course_runs"], report["approval"]
    which = "all course runs" if course_runs == "all" else ", ".join(course_runs[:SHOWN])
    if course_runs != "all" and len(course_runs) > SHOWN:
        which += f" and {len(course_runs) - SHOWN} more"
    wanted = f"; only {', '.join(report['statuses'])}" if report["statuses"] else ""
    wanted += f"; only {report['learners']} learners" if report["learners"] else ""
    rows = [
        ("Asked for by", report["by"]),
        ("Why", report["reason"]),
        ("Course runs", which + wanted),
        ("Decided as of", report["at"]),
        ("Policy", report["policy"]),
        ("Approved by", approval["by"] if approval else "nobody had to" if report["state"] == "done" else "nobody"),
        ("Took", f"{report['seconds']['elapsed']:,.0f} seconds"),
    ]
    if report["plan"]:
        rows.insert(5, ("Records looked at", f"{report['plan']['records']:,}"))
        rows.append(("Plan", report["plan"]["hash"]))
    return _table("", (), rows)


def _outcomes(report: Mapping[str, Any]) -> str:
    counts, outcome = report["plan"]["counts"], report["outcome"]
    words = {
        "applied": "applied",
        "already": "were as planned already",
        "changed_since": "had changed since, and were not written",
        "failed": "failed",
        "unknown": "nothing is known of: their part has no result",
    }
    rows = [("planned", counts["changes"]), ("... of which take a certificate away", counts["revocations"])]
    rows += [(words[name], count) for name, count in outcome.items() if count]
    return _table("", ("", "changes"), [(name, f"{count:,}") for name, count in rows])


def _comparison(comparison: Mapping[str, Any]) -> str:
    """Return how the two logics compare: all together, which course runs are ready, and who differs."""
    counts = comparison["all"]
    facts = [
        ("Learners", f"{counts['learners']:,}"),
        ("... of whom either logic has a certificate", f"{counts['certificates']:,}"),
        ("Both agree on", f"{counts['agreement']:.2%}"),
        ("Course runs that are ready to go live", f"{len(comparison['ready']):,}"),
        ("... that are not", f"{comparison['not_ready']:,}"),
    ]
    classes = {name: count for name, count in counts["classes"].items() if name != "agree"}
    rows: list[tuple[object, ...]] = [
        (
            row["course_run"],
            f"{row['certificates']:,}",
            f"{row['agreement']:.2%}",
            "; ".join(row["obstacles"]) or "ready",
        )
        for row in sorted(comparison["course_runs"], key=lambda row: (row["ready"], row["agreement"]))
    ]
    parts = [
        "<h2>Both logics compared</h2>",
        _table("", (), facts),
        chart("Learners by class of difference", classes),
        chart("Learners by what going live would do", counts["going_live"]),
        chart("By class and reason", counts["reasons"]),
        chart("By field that differs", counts["fields"]),
        _rows("Which course runs are ready", ("course run", "certificates", "agreement", "recommendation"), rows),
        f'<p class="soft">{escape(comparison["rule"])}</p>',
    ]
    for name, meaning in KINDS.items():
        samples: list[tuple[object, ...]] = [
            (item["learner_id"], item["course_run"], item["sentence"])
            for item in comparison["samples"]
            if item["class"] == name and name != Kind.AGREE
        ]
        parts.append(_rows(f"{name}: {meaning}", ("learner", "course run", "what is known"), samples))
    return "\n".join(part for part in parts if part)


def _recommended(row: Mapping[str, Any]) -> str:
    return "; ".join(row["obstacles"]) or "ready"


def _failures(report: Mapping[str, Any]) -> list[tuple[object, ...]]:
    return [
        (item["what"], item["learner_id"] or "", item["course_run"] or "", item["error"]) for item in report["failures"]
    ]


def _changed_since(report: Mapping[str, Any]) -> tuple[tuple[str, ...], list[tuple[object, ...]]]:
    rows: list[tuple[object, ...]] = []
    for item in report["changed_since"]:
        now = item.get("now")
        would = f"{now['from'] or 'none'} > {now['to'] or 'none'}" if now else "nothing would change"
        rows.append((item["learner_id"], item["course_run"], would))
    return ("learner", "course run", "deciding again now"), rows


def _cost(report: Mapping[str, Any]) -> str:
    cost = report["cost"]
    rows = [(name, f"{item['units']:,.0f}", f"${item['dollars']:.4f}") for name, item in cost["items"].items()]
    rows.append(("together", "", f"${cost['dollars']:.4f}"))
    table = _table("", ("", "units", "dollars"), rows)
    return f'<h2>Cost, estimated</h2>{table}<p class="soft">{escape(cost["assumptions"])}</p>'


def _rows(title: str, heads: tuple[str, ...], rows: list[tuple[object, ...]]) -> str:
    if not rows:
        return ""
    more = f'<p class="soft">{len(rows) - SHOWN} more in report.json.</p>' if len(rows) > SHOWN else ""
    return f"<h2>{escape(title)}</h2>{_table('', heads, rows[:SHOWN])}{more}"


def _table(caption: str, heads: tuple[str, ...], rows: Iterable[Iterable[object]]) -> str:
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in heads)
    body = ""
    for row in rows:
        first, *others = (escape(str(cell)) for cell in row)
        body += f'<tr><th scope="row">{first}</th>' + "".join(f"<td>{cell}</td>" for cell in others) + "</tr>"
    captioned = f"<caption>{escape(caption)}</caption>" if caption else ""
    return f"<table>{captioned}{f'<thead><tr>{head}</tr></thead>' if head else ''}<tbody>{body}</tbody></table>"

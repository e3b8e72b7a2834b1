"""The public reports on program records: each is on the page, with what becomes of it here and what holds that."""

import csv
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGE, PAGES = ROOT / "layers" / "certrules" / "certrules", ROOT / "docs"
SECTION = (PAGES / "programs.md").read_text().partition("## Public reports")[2]
ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in SECTION.splitlines()
    if line.startswith("| ") and not line.startswith(("| report", "| ---"))
]
DELIVERED = [row for row in ROWS if len(row) == 4]


def anchors(page: str) -> set[str]:
    text = (PAGES / page).read_text()
    headings = [title.lower().replace(" ", "-") for title in re.findall("^#+ (.+)$", text, re.MULTILINE)]
    return {*headings, *re.findall('<a id="(.+?)">', text)}


def test_there_are_29_reports() -> None:
    assert len({row[0] for row in ROWS}) == len(ROWS) == 29


@pytest.mark.parametrize("row", DELIVERED, ids=lambda row: row[0])
def test_a_report_on_deliveries_is_impossible_or_answered_and_what_holds_it_is_there(row: list[str]) -> None:
    _, _, here, held_by = row
    assert here.startswith(("Impossible", "Answered: "))
    modules = re.findall("`(.+?)`", held_by)
    links = re.findall(r"\((\w+\.md)#([\w-]+)\)", held_by)
    assert bool(links) is here.startswith("Answered")
    assert modules or links
    assert all((PACKAGE / module).is_file() for module in modules)
    assert all(anchor in anchors(page) for page, anchor in links)


def test_every_known_report_is_among_them(shared_data: Path) -> None:
    with (shared_data / "credentials" / "public-reports.csv").open() as file:
        reports = list(csv.DictReader(file))
    assert len(reports) == len(ROWS)
    listed = [set(re.findall(r"\d+", row[0])) for row in ROWS]
    for report in reports:
        numbers = set(re.findall(r"\b\d{2,5}\b", report["number"]))
        assert any(numbers & known for known in listed), report["number"]

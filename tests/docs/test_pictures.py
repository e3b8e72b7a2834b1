"""The pictures of the pages: each that a page shows is there, and each that is there is shown."""

import re

from tests.scenes.scene import TEMPLATE

ROOT = TEMPLATE.parent
PICTURE = re.compile(r"!\[[^\]]+\]\(([^)]+\.(?:png|svg))\)")


def test_each_picture_that_a_page_shows_is_there_and_none_is_left() -> None:
    pages = [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]
    shown = {(page.parent / path).resolve() for page in pages for path in PICTURE.findall(page.read_text())}
    assert {path.name for path in shown if not path.is_file()} == set()
    assert {path.name for path in (ROOT / "docs" / "console").iterdir()} <= {path.name for path in shown}

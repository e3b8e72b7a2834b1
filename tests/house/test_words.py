"""The words of the glossary are used, and the words to avoid are not: in names, docstrings, comments and docs."""

import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CODE = ("layers", "functions", "localcloud", "certs", "bench", "tests", "plugin")
GLOSSARY = (ROOT / "docs" / "glossary.md").read_text()

#: Names that are not ours to choose, with the reason.
ALLOWED_NAMES = {
    "keep_blank_values": "a parameter of urllib",
    "kept": "a field of an import's result, as its JSON has it",
}

#: Docs that quote commands, options, sentences that the API answers with, or names of earlier releases.
ALLOWED_TEXT = re.compile(r"A grade that says whether the learner passes|--keep\b|`told`|\"told\"|name=\"told\"")


def table(heading: str) -> dict[str, str]:
    """Return a table of the glossary: the first column, and the second."""
    text = GLOSSARY.partition(f"## {heading}")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| ([^|]+) \| ([^|]+) \|$", text, re.MULTILINE)[2:]
    return {first.strip(): second.strip() for first, second in rows}


WORDS = table("Words")
AVOIDED = [word for words in table("Avoid") for word in re.findall(r"`([^`]+)`", words)]
PATTERN = re.compile(rf"\b({'|'.join(map(re.escape, AVOIDED))})\b", re.IGNORECASE)


def modules() -> Iterator[Path]:
    for folder in CODE:
        yield from (path for path in (ROOT / folder).rglob("*.py") if "__pycache__" not in path.parts)


def pages() -> list[Path]:
    """Return the pages that we write; generated ones, past decisions and past changes stay as they are."""
    written = [
        *(ROOT / "docs").glob("*.md"),
        ROOT / "README.md",
        ROOT / "CONTRIBUTING.md",
        ROOT / "localcloud/README.md",
        ROOT / "plugin/README.md",
    ]
    return [page for page in written if page.name not in {"glossary.md", "cli.md"}]


def names_and_prose(path: Path) -> Iterator[tuple[int, str, str]]:
    """Yield line, kind and text of each name, comment and docstring."""
    for token in tokenize.generate_tokens(io.StringIO(path.read_text()).readline):
        if token.type == tokenize.NAME and token.string not in ALLOWED_NAMES:
            parts = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", token.string).replace("_", " ")
            yield token.start[0], "name", parts
        elif token.type == tokenize.COMMENT or (token.type == tokenize.STRING and token.string.startswith('"""')):
            for number, line in enumerate(token.string.splitlines(), token.start[0]):
                yield number, "text", ALLOWED_TEXT.sub("", line)


def test_no_name_docstring_or_comment_has_a_word_to_avoid() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{line}: {match.group(0)} in the {kind} {text.strip()[:80]!r}"
        for path in modules()
        for line, kind, text in names_and_prose(path)
        if (match := PATTERN.search(text)) is not None
    ]
    assert found == []


def test_no_page_has_a_word_to_avoid() -> None:
    found = [
        f"{page.relative_to(ROOT)}:{number}: {match.group(0)} in {line[:80]!r}"
        for page in pages()
        for number, line in enumerate(page.read_text().splitlines(), 1)
        if (match := PATTERN.search(ALLOWED_TEXT.sub("", line))) is not None
    ]
    assert found == []


@pytest.mark.parametrize("word", WORDS)
def test_every_word_of_the_glossary_is_used(word: str) -> None:
    text = "\n".join(path.read_text() for path in (ROOT / "layers").rglob("*.py"))
    text += "\n".join(page.read_text() for page in (ROOT / "docs").glob("*.md") if page.name != "glossary.md")
    for term in word.strip("*").split(", "):
        assert re.search(rf"\b{re.escape(term)}", text.replace("_", " "), re.IGNORECASE), term

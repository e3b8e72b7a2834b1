"""The core is arithmetic on facts: standard library only, and nothing that differs between two runs."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

CORE = Path(__file__).parents[2] / "layers" / "certrules" / "certrules" / "core"
MODULES = sorted(CORE.rglob("*.py"))

# What the arithmetic needs. Anything else asks for a second look, and a line here.
ALLOWED = {
    "abc",
    "bisect",
    "collections",
    "copy",
    "dataclasses",
    "datetime",
    "decimal",
    "enum",
    "functools",
    "hashlib",
    "heapq",
    "itertools",
    "math",
    "operator",
    "re",
    "types",
    "typing",
    "unicodedata",
    "uuid",
}
CLOCKS_AND_CHANCE = {"now", "utcnow", "today", "uuid1", "uuid4"}


def imports(tree: ast.Module) -> Iterator[str]:
    """Yield the top-level names of what a module imports."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield (node.module or "").partition(".")[0]


def test_the_core_is_there() -> None:
    assert {"timeline", "facts", "rules", "decision", "replay"} <= {path.stem for path in MODULES}


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.relative_to(CORE).with_suffix("").as_posix())
def test_the_core_imports_only_itself_and_pure_parts_of_the_standard_library(path: Path) -> None:
    tree = ast.parse(path.read_text())
    assert sys.stdlib_module_names >= ALLOWED
    assert set(imports(tree)) - {"certrules"} <= ALLOWED
    assert all(
        node.module.startswith("certrules.core")
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("certrules")
    )


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.relative_to(CORE).with_suffix("").as_posix())
def test_the_core_has_no_clock_and_no_chance(path: Path) -> None:
    called = {
        node.func.attr
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
    }
    assert not called & CLOCKS_AND_CHANCE

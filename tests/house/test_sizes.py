"""Modules and functions are short enough to be read, and calls name what they pass."""

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
MODULE_LINES = 400
FUNCTION_LINES = 60
POSITIONAL = 6


def modules() -> Iterator[Path]:
    for folder in ("layers", "functions", "localcloud", "certs", "bench", "plugin"):
        yield from (path for path in (ROOT / folder).rglob("*.py") if "__pycache__" not in path.parts)


def functions() -> Iterator[tuple[str, ast.FunctionDef]]:
    for path in modules():
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef):
                yield f"{path.relative_to(ROOT)}: {node.name}", node


def is_override(function: ast.FunctionDef) -> bool:
    """Whether the signature is a library's."""
    return any(isinstance(item, ast.Name) and item.id == "override" for item in function.decorator_list)


def test_no_module_is_longer_than_one_can_survey() -> None:
    lengths = {str(path.relative_to(ROOT)): len(path.read_text().splitlines()) for path in modules()}
    assert {name: length for name, length in lengths.items() if length > MODULE_LINES} == {}


def test_no_function_is_longer_than_a_screen() -> None:
    lengths = {name: (node.end_lineno or 0) - node.lineno + 1 for name, node in functions()}
    assert {name: length for name, length in lengths.items() if length > FUNCTION_LINES} == {}


def test_no_function_takes_more_positional_parameters_than_one_remembers() -> None:
    counts = {
        name: len([item for item in node.args.posonlyargs + node.args.args if item.arg not in {"self", "cls"}])
        for name, node in functions()
        if not is_override(node)
    }
    assert {name: count for name, count in counts.items() if count > POSITIONAL} == {}


def test_every_handler_is_read_on_one_screen() -> None:
    lengths = {
        str(path.relative_to(ROOT)): len(path.read_text().splitlines()) for path in ROOT.glob("functions/*/app.py")
    }
    assert {name: length for name, length in lengths.items() if length > FUNCTION_LINES} == {}


def test_no_test_module_imports_another() -> None:
    found = [
        f"{path.relative_to(ROOT)}: {node.module}"
        for path in (ROOT / "tests").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ImportFrom)
        and (node.module or "").startswith("tests.")
        and (node.module or "").rpartition(".")[2].startswith(("test_", "conftest"))
    ]
    assert found == []

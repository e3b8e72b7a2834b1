"""What we ship and run on can be used under Apache-2.0; what can't, stays with the tests."""

import ast
import re
import tomllib
from collections.abc import Iterator
from importlib.metadata import distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[2]

# Words of licences that ask for nothing that Apache-2.0 doesn't give, as projects write them.
COMPATIBLE = re.compile(
    r"\b(0BSD|Apache|BSD|CC0|ISC|MIT(-0|-CMU)?|MPL[- ]2|Mozilla Public License 2|PSFL?|"
    r"Python Software Foundation|Public Domain|Unlicense|Zlib)\b",
    re.IGNORECASE,
)
COPYLEFT = re.compile(r"\b(A?GPL|Affero|SSPL|EUPL|(?<!Lesser )General Public License)", re.IGNORECASE)


def required(name: str, extras: frozenset[str] = frozenset(), seen: set[str] | None = None) -> Iterator[str]:
    """Yield a distribution and all that it needs to run on this machine."""
    seen = set() if seen is None else seen
    key = f"{name.lower()}{sorted(extras)}"
    if key in seen:
        return
    seen.add(key)
    yield name
    for line in distribution(name).requires or ():
        wanted = Requirement(line)
        if not wanted.marker or any(wanted.marker.evaluate({"extra": extra}) for extra in extras or {""}):
            yield from required(wanted.name, frozenset(wanted.extras), seen)


def licence(name: str) -> str:
    """The licence that a distribution declares, in whichever of the three places."""
    stated = distribution(name).metadata
    classifiers = [c for c in stated.get_all("Classifier") or () if c.startswith("License ::")]
    return " ".join([stated.get("License-Expression") or "", *classifiers, (stated.get("License") or "")[:200]])


WITH_BRIDGE = {*required("course-certificates"), *required("course-certificates", frozenset({"bridge"}))}
SHIPPED = sorted(WITH_BRIDGE - {"course-certificates"})


@pytest.mark.parametrize("name", SHIPPED)
def test_everything_we_run_on_may_be_used_under_apache_2(name: str) -> None:
    stated = licence(name)
    assert COMPATIBLE.search(stated), stated
    assert not COPYLEFT.search(stated), stated


def test_agpl_is_never_more_than_an_oracle_of_the_tests() -> None:
    assert COPYLEFT.search(licence("edx-opaque-keys"))
    assert not {"edx-opaque-keys", "openedx-events", "openedx-filters"} & set(SHIPPED)


def test_the_plugin_needs_only_what_may_be_used_under_apache_2() -> None:
    """What openedx-events needs itself (edx-opaque-keys, AGPL) every installation of the platform has."""
    project = tomllib.loads((ROOT / "plugin" / "pyproject.toml").read_text())["project"]
    needed = [Requirement(line).name for line in project["dependencies"]]
    assert needed == ["boto3", "openedx-events"]
    assert all(COMPATIBLE.search(licence(name)) and not COPYLEFT.search(licence(name)) for name in needed)


def test_the_plugin_imports_nothing_of_the_service() -> None:
    ours = {"certrules", "certs", "functions", "localcloud"}
    for path in (ROOT / "plugin" / "src").rglob("*.py"):
        nodes = list(ast.walk(ast.parse(path.read_text())))
        names = [alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names]
        names += [node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)]
        assert not ours & {name.partition(".")[0] for name in names}, path

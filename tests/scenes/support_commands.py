"""The commands of support against a served cloud."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from certs.stacks import NOTE
from tests.scenes.scene import Scene
from tests.scenes.support_client import EVERYTHING


@pytest.fixture(scope="module")
def address(stack: Scene) -> str:
    return stack.cloud.serve_api()


@pytest.fixture(autouse=True)
def _cloud_in_folder(scene: Scene, address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    may(scene, address, EVERYTHING)
    yield
    NOTE.unlink()


def may(scene: Scene, address: str, scopes: tuple[str, ...]) -> None:
    """Be somebody who may do this."""
    named = [f"certificates/{scope}" for scope in scopes]
    tokens = {name: scene.cloud.api.token(name, named) for name in ("ada", "bob")}
    NOTE.write_text(json.dumps({"api": address, "token": tokens["ada"], "colleague": tokens["bob"]}))

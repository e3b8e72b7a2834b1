"""The generated parts of the docs match the code of today."""

import subprocess
import sysconfig
from pathlib import Path

import click
import pytest

from certs.cli import main

ROOT = Path(__file__).parents[2]
PAGES = sorted((ROOT / "docs").glob("*.md"))
COG = Path(sysconfig.get_path("scripts")) / "cog"


def test_generated_pages_are_current() -> None:
    result = subprocess.run([COG, "--check", *PAGES], check=False, capture_output=True, text=True, cwd=ROOT)
    assert (result.returncode, result.stderr) == (0, ""), f"run make docs:\n{result.stdout}"


@pytest.mark.parametrize("name", main.commands)
def test_every_option_stands_in_the_section_of_its_command(name: str) -> None:
    _, _, rest = (ROOT / "docs" / "cli.md").read_text().partition(f"\n## certs {name}\n")
    section, _, _ = rest.partition("\n## ")
    command = main.commands[name]
    for parameter in command.params:
        for phrase in parameter.opts if isinstance(parameter, click.Option) else [parameter.make_metavar()]:
            assert phrase in section

"""What `sam build` made, alone: all that functions import, compiled, for both architectures, and little else."""

import os
import re
import subprocess
import sys
from importlib.util import MAGIC_NUMBER
from pathlib import Path

import pytest

from tests.scenes.template_expansion import ROOT, Json, of_type

BUILT = ROOT / ".aws-sam" / "build"
SITE = BUILT / "RulesLayer" / "python"
FUNCTIONS = sorted(path.parent.name for path in (ROOT / "functions").glob("*/app.py"))
PACKAGES = {
    SITE: "layers/certrules",
    BUILT / "SupportFunction": "functions/support",
    BUILT / "ReportFunction": "functions/report",
}
ELF_MACHINES = {"x86_64": 62, "aarch64": 183}
UNCHECKED_HASH = (1).to_bytes(4, "little")  # PEP 552: trusts neither date nor size of the source


def is_current() -> bool:
    """Return whether the layer was built from the source as it is."""
    source = ROOT / "layers" / "certrules" / "certrules"
    pairs = [(path, SITE / "certrules" / path.relative_to(source)) for path in source.rglob("*.py")]
    return all(built.exists() and built.read_bytes() == path.read_bytes() for path, built in pairs)


# .ci/run builds first, so there it is no excuse.
pytestmark = pytest.mark.skipif(not is_current() and "CERTS_BUILT" not in os.environ, reason="not built: make build")


def test_the_layer_carries_the_source_as_it_is() -> None:
    assert is_current()


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_starts_on_its_layer_alone(name: str, stack: Json) -> None:
    function = f"{name.capitalize()}Function"
    variables = of_type(stack, "AWS::Lambda::Function")[function]["Environment"]["Variables"]
    values = {key: value if isinstance(value, str) else default(stack, value) for key, value in variables.items()}
    code = "import app, sys; print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    started = subprocess.run(
        [sys.executable, "-S", "-c", code],
        cwd=BUILT / function,
        env=values | {"PYTHONPATH": str(SITE), "AWS_REGION": "eu-west-1", "AWS_DEFAULT_REGION": "eu-west-1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert started.returncode == 0, started.stderr
    slow = {"boto3", "aws_xray_sdk"} if name == "support" else {"boto3", "pydantic", "aws_xray_sdk"}
    assert not slow & set(started.stdout.split())


def default(stack: Json, reference: Json) -> str:
    """What a variable is unless a deployment sets another; the name of a resource is as good as its own."""
    named = "-".join(re.findall(r"\w+", str(reference)))
    return str(stack["Parameters"].get(reference.get("Ref"), {}).get("Default", named))


@pytest.mark.parametrize("folder", PACKAGES, ids=PACKAGES.values())
def test_each_library_is_there_for_both_architectures_and_is_what_its_name_states(folder: Path) -> None:
    found: dict[str, set[str]] = {}
    for library in folder.rglob("*.so*"):
        module, machine = re.fullmatch(r"(.+)\.cpython-313-(\w+)-linux-gnu\.so", library.name).groups()  # type: ignore[union-attr]
        header = library.read_bytes()[:20]
        assert header[:4] == b"\x7fELF", library
        assert int.from_bytes(header[18:20], "little") == ELF_MACHINES[machine], library
        found.setdefault(f"{library.parent}/{module}", set()).add(machine)
    assert found
    for module, machines in found.items():
        assert machines == ELF_MACHINES.keys(), module


@pytest.mark.parametrize("folder", PACKAGES, ids=PACKAGES.values())
def test_what_is_shipped_has_the_versions_that_are_locked(folder: Path) -> None:
    locked = re.findall(r"^(\S+)==(\S+)", (ROOT / PACKAGES[folder] / "requirements.txt").read_text(), re.MULTILINE)
    shipped = [path.name.removesuffix(".dist-info").split("-") for path in folder.glob("*.dist-info")]
    assert sorted((name.replace("_", "-"), version) for name, version in shipped) == sorted(locked)


@pytest.mark.parametrize("folder", PACKAGES, ids=PACKAGES.values())
def test_all_modules_are_compiled_for_good(folder: Path) -> None:
    for source in folder.rglob("*.py"):
        compiled = (source.parent / "__pycache__" / f"{source.stem}.cpython-313.pyc").read_bytes()
        assert compiled[:8] == MAGIC_NUMBER + UNCHECKED_HASH, source


def test_botocore_knows_only_the_services_that_are_called() -> None:
    services = {path.name for path in (SITE / "botocore" / "data").iterdir() if path.is_dir()}
    assert services == {"cloudwatch", "dynamodb", "events", "s3", "secretsmanager", "sqs", "stepfunctions"}

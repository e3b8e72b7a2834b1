"""Which processors the functions run on, and that their packages can be had for both."""

import re
import tomllib

import pytest
from packaging.utils import parse_wheel_filename

from tests.scenes.template_expansion import ROOT, Json, of_type

MACHINES = ("aarch64", "x86_64")
FOLDERS = ("layers/certrules", "functions/support", "functions/report")
LOCKED = {package["name"]: package for package in tomllib.loads((ROOT / "uv.lock").read_text())["package"]}
PACKAGES = "".join((ROOT / folder / "requirements.txt").read_text() for folder in FOLDERS)
SHIPPED = sorted(set(re.findall(r"^(\S+)==(\S+)", PACKAGES, re.MULTILINE)))


def test_functions_run_on_arm64_unless_a_deployment_chooses_otherwise(stack: Json) -> None:
    assert stack["Parameters"]["Architecture"]["Default"] == "arm64"
    for name, function in of_type(stack, "AWS::Lambda::Function").items():
        assert function["Architectures"] == [{"Ref": "Architecture"}], name


def test_each_layer_serves_each_architecture_that_a_deployment_may_choose(stack: Json) -> None:
    for layer in of_type(stack, "AWS::Lambda::LayerVersion").values():
        assert layer["CompatibleArchitectures"] == stack["Parameters"]["Architecture"]["AllowedValues"]


@pytest.mark.parametrize(("name", "version"), SHIPPED)
@pytest.mark.parametrize("machine", MACHINES)
def test_a_package_has_a_wheel_at_its_locked_version(name: str, version: str, machine: str) -> None:
    package = LOCKED[name]
    assert package["version"] == version
    tags = [tag for wheel in package["wheels"] for tag in parse_wheel_filename(wheel["url"].rpartition("/")[2])[3]]
    fitting = {("cp313", f"manylinux2014_{machine}"), ("py3", "any")}
    assert fitting & {(tag.interpreter, tag.platform) for tag in tags}

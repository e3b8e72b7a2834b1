"""The template as CloudFormation will see it."""

import json
from pathlib import Path
from typing import Any

from cfnlint.api import lint
from cfnlint.config import ManualArgs
from samtranslator.translator.transform import transform

from localcloud.template import read_yaml

Json = dict[str, Any]

ROOT = Path(__file__).parents[2]
REGION = "eu-west-1"


class NoManagedPolicies:
    """What the transformation asks for the names of AWS's managed policies; we use none."""

    def load(self) -> dict[str, str]:
        """Return their ARNs by name."""
        return {}


def expanded(parameters: dict[str, str] | None = None) -> Json:
    """Expand template.yaml as a deployment with these parameters does, when `sam package` has uploaded the code."""
    template: Json = read_yaml((ROOT / "template.yaml").read_text())
    for resource in template["Resources"].values():
        for code in {"CodeUri", "ContentUri", "DefinitionUri"} & resource.get("Properties", {}).keys():
            resource["Properties"][code] = "s3://bucket/key"
    result: Json = json.loads(json.dumps(transform(template, parameters or {}, NoManagedPolicies())))
    return result


def findings(template: Json) -> list[str]:
    """Return what cfn-lint finds in a CloudFormation template."""
    # W1028: the translator puts a conditional function's condition around its routes, the API's own inside.
    # W2001, W7001: the translator has used the parameter of how traffic is shifted, and its mapping.
    matches = lint(json.dumps(template), config=ManualArgs(regions=[REGION], ignore_checks=["W1028", "W2001", "W7001"]))
    return sorted(f"{match.rule.id} {match.path}: {match.message}" for match in matches)


def of_type(template: Json, kind: str) -> dict[str, Json]:
    """Return the properties of all resources of a type, by logical id."""
    return {name: r.get("Properties", {}) for name, r in template["Resources"].items() if r["Type"] == kind}

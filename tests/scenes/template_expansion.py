"""The template as CloudFormation will see it."""

import json
from pathlib import Path
from typing import Any

from cfnlint.api import lint
from cfnlint.config import ManualArgs
from samtranslator.translator.transform import transform
from samtranslator.yaml_helper import yaml_parse

Json = dict[str, Any]

ROOT = Path(__file__).parents[2]
REGION = "eu-west-1"


class NoManagedPolicies:
    """What the transformation asks for the names of AWS's managed policies; we use none."""

    def load(self) -> dict[str, str]:
        """Return their ARNs by name."""
        return {}


def expanded() -> Json:
    """Expand template.yaml as the deployment does, after `sam package` has put the code into a bucket."""
    template: Json = yaml_parse((ROOT / "template.yaml").read_text())
    for resource in template["Resources"].values():
        for code in {"CodeUri", "ContentUri", "DefinitionUri"} & resource.get("Properties", {}).keys():
            resource["Properties"][code] = "s3://bucket/key"
    result: Json = json.loads(json.dumps(transform(template, {}, NoManagedPolicies())))
    return result


def findings(template: Json) -> list[str]:
    """Return what cfn-lint finds in a CloudFormation template."""
    matches = lint(json.dumps(template), config=ManualArgs(regions=[REGION]))
    return sorted(f"{match.rule.id} {match.path}: {match.message}" for match in matches)


def of_type(template: Json, kind: str) -> dict[str, Json]:
    """Return the properties of all resources of a type, by logical id."""
    return {name: r.get("Properties", {}) for name, r in template["Resources"].items() if r["Type"] == kind}

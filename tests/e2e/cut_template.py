"""The built template as LocalStack can deploy it: expanded, and without what it has no part for."""

import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from samtranslator.translator.transform import transform

from localcloud.template import read_yaml, references
from tests.scenes.template_expansion import Json, NoManagedPolicies

DIGEST = "e2e"
"""Stands for the digest of the parameters, which a custom resource would give."""

WAIT_SECONDS = 1
"""How long state machines wait. In AWS they wait until nothing is on its way; nothing else is here."""

AT_ONCE = 2
"""How many items of a map are worked on at once: each needs a container."""

CODE = {"CodeUri", "ContentUri", "DefinitionUri"}

LEFT_OUT = {
    "AWS::ApiGatewayV2::Api": "LocalStack's core has no HTTP API: that of the local cloud stands in",
    "AWS::ApiGatewayV2::Stage": "as the API",
    "AWS::CloudWatch::Alarm": "nobody listens, and each takes seconds",
    "AWS::CloudWatch::Dashboard": "nobody looks",
    "AWS::Events::Archive": "LocalStack creates none from a template",
    "Custom::TableProtection": "LocalStack asks no function about it",
    "Custom::ValidParameters": "LocalStack asks no function about it, so the story does",
}
STREAM = "table streams reach no function in LocalStack: they are read here, and their records are sent to publish"
PERMISSION = "as the API, which it is for"


class UncutError(Exception):
    """What is left of the template needs something that was left out."""


class CutTemplate(NamedTuple):
    """A template that LocalStack can deploy."""

    stack: Json
    left_out: Counter[str]  # what and why
    api: Json  # the definition of the HTTP API
    parameters: dict[str, str]  # with their defaults


def cut(file: Path, given: Mapping[str, str], support_url: str) -> CutTemplate:
    """Expand the template that `sam build` wrote, for these parameters; code and layers stay paths of this machine.

    `support_url` is where the support API will answer. Raises UncutError.
    """
    sam: Json = read_yaml(file.read_text())
    defaults = {name: str(parameter.get("Default", "")) for name, parameter in sam["Parameters"].items()}
    stack = _with_digest(_expanded(sam, file.parent, given))
    resources: Json = stack["Resources"]
    api = next(r["Properties"]["Body"] for r in resources.values() if r["Type"] == "AWS::ApiGatewayV2::Api")
    reasons = {name: reason for name, resource in resources.items() if (reason := _left_out(resource))}
    left_out = Counter(f"{resources[name]['Type']}: {reason}" for name, reason in reasons.items())
    stack["Resources"] = {name: resource for name, resource in resources.items() if name not in reasons}
    stack["Outputs"] = {
        name: output for name, output in stack["Outputs"].items() if not references(output) & reasons.keys()
    }
    stack["Outputs"]["SupportUrl"] = {"Value": support_url}
    for name, resource in stack["Resources"].items():
        if missing := references(resource) & reasons.keys():
            raise UncutError(f"{name} needs {', '.join(sorted(missing))}, which LocalStack is not given")
    return CutTemplate(stack, left_out, api, defaults | dict(given))


def _expanded(sam: Json, folder: Path, given: Mapping[str, str]) -> Json:
    """Return the plain CloudFormation template, with the paths of code, which `sam deploy` uploads."""
    paths = {}
    for name, resource in sam["Resources"].items():
        for place in CODE & resource.get("Properties", {}).keys():
            paths[name] = (folder / resource["Properties"][place]).resolve()
            resource["Properties"][place] = f"s3://built/{name}"  # the translator takes no other address
    stack: Json = json.loads(json.dumps(transform(sam, dict(given), NoManagedPolicies())))
    for resource in stack["Resources"].values():
        kind, properties = resource["Type"], resource["Properties"]
        if kind == "AWS::Lambda::Function":
            properties["Code"] = str(paths[properties["Code"]["S3Key"]])
        elif kind == "AWS::Lambda::LayerVersion":
            properties["Content"] = str(paths[properties["Content"]["S3Key"]])
        elif kind == "AWS::StepFunctions::StateMachine":
            definition = json.loads(paths[properties.pop("DefinitionS3Location")["Key"]].read_text())
            properties["DefinitionString"] = json.dumps(quickened(definition))
        elif "ScheduleExpression" in properties:
            properties["State"] = "DISABLED"  # the story has the time, and LocalStack disables none that runs
    return stack


def quickened(definition: Any) -> Any:
    """Return a state machine's definition with short waits, and with few items of its maps at once."""
    if isinstance(definition, list):
        return [quickened(part) for part in definition]
    if not isinstance(definition, dict):
        return definition
    changed = {name: quickened(part) for name, part in definition.items()}
    if changed.get("Type") == "Wait" and "Seconds" in changed:
        changed["Seconds"] = WAIT_SECONDS
    if "MaxConcurrency" in changed:
        changed["MaxConcurrency"] = min(changed["MaxConcurrency"], AT_ONCE)
    return changed


def _with_digest(stack: Json) -> Json:
    text = json.dumps(stack).replace('{"Fn::GetAtt": ["ValidParameters", "Digest"]}', f'"{DIGEST}"')
    result: Json = json.loads(text.replace("${ValidParameters.Digest}", DIGEST))
    return result


def _left_out(resource: Json) -> str:
    """Return why a resource is left out; "" for one that LocalStack is given."""
    kind, properties = resource["Type"], resource.get("Properties", {})
    if kind == "AWS::Lambda::EventSourceMapping" and "ParallelizationFactor" in properties:
        return STREAM
    if kind == "AWS::Lambda::Permission" and properties["Principal"] == "apigateway.amazonaws.com":
        return PERMISSION
    return LEFT_OUT.get(kind, "")


def resolved(fragment: Any, parameters: Mapping[str, str]) -> Any:
    """Return a fragment of the API's definition with parameters in place of references; all conditions hold."""
    if isinstance(fragment, list):
        return [resolved(part, parameters) for part in fragment]
    if not isinstance(fragment, dict):
        return fragment
    match fragment:
        case {"Ref": name}:
            return parameters[name]
        case {"Fn::Sub": str(text)}:
            for name, value in parameters.items():
                text = text.replace(f"${{{name}}}", value)
            return text
        case {"Fn::If": [_, then, _]}:
            return resolved(then, parameters)
        case _:
            return {name: resolved(part, parameters) for name, part in fragment.items()}

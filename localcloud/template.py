"""A SAM template, split into what CloudFormation creates and the parts that the local cloud runs itself."""

from __future__ import annotations

import json
import logging
import re
from copy import deepcopy
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import yaml
from samtranslator.translator.transform import transform
from samtranslator.yaml_helper import intrinsics_multi_constructor

from localcloud.steps import parse

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

Resource = dict[str, Any]

# The translator warns that it can't send its usage statistics: it isn't meant to.
logging.getLogger("samtranslator.metrics.metrics").setLevel(logging.ERROR)

# Without these, events would silently not arrive.
UNDELIVERABLE = (
    "AWS::Kinesis::",
    "AWS::Lambda::EventInvokeConfig",
    "AWS::Pipes::",
    "AWS::SNS::",
)
# What moto's interpreter would do otherwise than the cloud, or not at all.
FIELDS_NOT_RUN = {"Credentials", "ItemBatcher"}
VALUES_NOT_RUN = {
    "ExecutionType": {"EXPRESS"},
    "InputType": {"CSV", "JSONL", "MANIFEST", "PARQUET"},
    "QueryLanguage": {"JSONata"},
    "Transformation": {"COMPACT", "FLATTEN"},
}
INTEGRATIONS = ("lambda:invoke", "sqs:sendMessage", "dynamodb:", "events:putEvents")
CONSTANTS = {'{"Ref": "AWS::Partition"}': "aws"}  # what a part of a definition may be, known before the stack is
PLACEHOLDER = re.compile(r"\$\{(\w+)\}")
LONGEST_COMPLAINT = 300  # characters: the parser names all that could have stood there
EMPTY_ZIP = "UEsFBgAAAAAAAAAAAAAAAAAAAAAAAA=="
# The properties of an event source mapping that count here; scaling makes no difference to one poller.
MAPPING_PROPERTIES = {
    "BatchSize",
    "BisectBatchOnFunctionError",
    "DestinationConfig",
    "Enabled",
    "EventSourceArn",
    "FunctionName",
    "FunctionResponseTypes",
    "MaximumBatchingWindowInSeconds",
    "MaximumRecordAgeInSeconds",
    "MaximumRetryAttempts",
    "MetricsConfig",
    "ParallelizationFactor",
    "ScalingConfig",
    "StartingPosition",
    "Tags",
}


class UnsupportedTemplateError(Exception):
    """The template relies on something that the local cloud can't deliver. A retry can't help."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FunctionSource:
    """Where a function's code is: its folder, its handler (module.function) and its layers' folders."""

    code: Path
    handler: str
    layers: tuple[Path, ...]


@dataclass(slots=True, kw_only=True)
class Template:
    """The parts of a SAM template. All properties still hold their intrinsic functions.

    `stack` is the plain CloudFormation template that moto can create; `left_out` has the reason for each other
    resource isn't in it.
    """

    stack: dict[str, Any]
    functions: dict[str, FunctionSource]
    mappings: dict[str, Resource]
    schedules: dict[str, Resource]
    apis: dict[str, Resource] = field(default_factory=dict)
    custom: dict[str, Resource] = field(default_factory=dict)
    bus_policies: dict[str, Resource] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)


class _NoManagedPolicies:
    """Names of AWS's managed policies stay as they are: roles that have one are not enforced here."""

    def load(self) -> dict[str, str]:
        return {}


class _Loader(yaml.CSafeLoader):
    """YAML as SAM reads it, by libyaml: with the translator's own reader it is two thirds of a stack's start."""


_Loader.add_multi_constructor("!", intrinsics_multi_constructor)


def read_yaml(text: str) -> Any:
    """Return what this YAML describes, with CloudFormation's short forms (`!Ref`) spelled out."""
    return yaml.load(text, _Loader)  # noqa: S506 - a safe loader


def read_template(path: Path, parameters: Mapping[str, str], creatable: set[str]) -> Template:
    """Transform the SAM template in this file; `creatable` are the resource types that moto can create.

    Raises UnsupportedTemplateError for what the local cloud can't deliver, and the translator's own
    InvalidDocumentException for a template that isn't valid.
    """
    sam: dict[str, Any] = read_yaml(path.read_text())
    folder = path.resolve().parent
    functions = _sever_code(sam, folder, "AWS::Serverless::Function", "CodeUri")
    layers = _sever_code(sam, folder, "AWS::Serverless::LayerVersion", "ContentUri")
    definitions = _sever_code(sam, folder, "AWS::Serverless::StateMachine", "DefinitionUri")
    stack = _without_versions(transform(sam, dict(parameters), _NoManagedPolicies()))
    resources: dict[str, Resource] = stack["Resources"]

    content = {}
    for name, resource in _of_type(resources, "LayerVersion"):
        content[name] = resource["Properties"]["Content"]["S3Key"]
        # Content runs from its folder; moto only needs to have been given some.
        resource["Properties"]["Content"] = {"ZipFile": EMPTY_ZIP}
    sources = {}
    for name, resource in _of_type(resources, "Function"):
        properties = resource["Properties"]
        sources[name] = FunctionSource(
            code=functions[name],
            handler=properties["Handler"],
            layers=tuple(layers[content[layer["Ref"]]] for layer in properties.pop("Layers", [])),
        )
        properties["Code"] = {"ZipFile": "# runs in-process"}
        properties.pop("Description", None)  # it may name what is made only here
    for name, resource in resources.items():
        if resource["Type"] == "AWS::StepFunctions::StateMachine":
            _put_definition(name, resource["Properties"], definitions.get(name))
    template = Template(stack=stack, functions=sources, mappings={}, schedules={})
    _take_out(template, creatable)
    for resource in resources.values():
        if resource["Type"] == "AWS::Events::Archive":
            properties = resource["Properties"]
            properties["EventPattern"] = json.dumps(properties.get("EventPattern", {}))  # as moto takes it
    return template


def _without_versions(stack: dict[str, Any]) -> dict[str, Any]:
    """Return the stack with functions in place of their aliases: here there is one version of each."""
    text = json.dumps(stack)
    for name, alias in _of_type(stack["Resources"], "Alias"):
        function = alias["Properties"]["FunctionName"]["Ref"]
        text = text.replace(f'{{"Ref": "{name}"}}', f'{{"Fn::GetAtt": ["{function}", "Arn"]}}')
        text = text.replace(f"${{{name}}}", f"${{{function}.Arn}}")
    result: dict[str, Any] = json.loads(text)
    kinds = ("AWS::Lambda::Alias", "AWS::Lambda::Version", "AWS::CodeDeploy::")
    result["Resources"] = {n: r for n, r in result["Resources"].items() if not r["Type"].startswith(kinds)}
    return result


def _sever_code(sam: dict[str, Any], folder: Path, resource_type: str, code_property: str) -> dict[str, Path]:
    """Return each such resource's folder, and put into the template the S3 address that SAM demands."""
    everywhere = sam.get("Globals", {}).get(resource_type.rpartition("::")[2], {}).pop(code_property, ".")
    folders = {}
    for name, resource in sam["Resources"].items():
        if resource["Type"] == resource_type and "Definition" not in resource.get("Properties", {}):
            properties = resource.setdefault("Properties", {})
            folders[name] = folder / properties.get(code_property, everywhere)
            properties[code_property] = f"s3://local/{name}"
    return folders


def _put_definition(name: str, properties: dict[str, Any], file: Path | None) -> None:
    """Put a state machine's definition, with its substitutions, into its properties.

    Raises UnsupportedTemplateError for what isn't run as in the cloud.
    """
    if file is None or properties.pop("DefinitionS3Location", None) is None:
        raise UnsupportedTemplateError(f"{name}: give the definition as a file (DefinitionUri)")
    if properties.get("StateMachineType", "STANDARD") != "STANDARD":
        raise UnsupportedTemplateError(f"{name}: only machines of type STANDARD are run")
    substitutions = properties.pop("DefinitionSubstitutions", {})
    constants = {name: CONSTANTS[json.dumps(v)] for name, v in substitutions.items() if json.dumps(v) in CONSTANTS}
    source = PLACEHOLDER.sub(lambda part: constants.get(part[1], part[0]), file.read_text())
    definition = read_yaml(source)
    text = json.dumps(definition)
    for complaint in _not_run(definition):
        raise UnsupportedTemplateError(f"{name}: {file.name}: {complaint}")
    try:
        parse(PLACEHOLDER.sub(r"arn:aws:lambda:eu-west-1:123456789012:function:\1", text))
    except Exception as error:  # moto's parser raises whatever comes
        raise UnsupportedTemplateError(f"{name}: {file.name}: {str(error)[:LONGEST_COMPLAINT]}") from error
    parts = PLACEHOLDER.split(text)
    if missing := set(parts[1::2]) - substitutions.keys():
        raise UnsupportedTemplateError(f"{name}: DefinitionSubstitutions lack {', '.join(sorted(missing))}")
    # Fn::Sub would take the context's $$ for an escaped $.
    joined = [substitutions[part] if index % 2 else part for index, part in enumerate(parts)]
    properties["DefinitionString"] = {"Fn::Join": ["", joined]}


def _not_run(fragment: object) -> Iterator[str]:
    """Yield the parts of a definition that the local cloud doesn't run."""
    if isinstance(fragment, list):
        for part in fragment:
            yield from _not_run(part)
    elif isinstance(fragment, dict):
        for field in FIELDS_NOT_RUN & fragment.keys():
            yield f"{field} isn't run"
        for field, values in VALUES_NOT_RUN.items():
            if str(fragment.get(field)) in values:
                yield f"{field} {fragment[field]} isn't run"
        if fragment.get("Type") == "Task":
            yield from _not_integrated(str(fragment.get("Resource")))
        for part in fragment.values():
            yield from _not_run(part)


def _not_integrated(resource: str) -> Iterator[str]:
    """Yield why a task's resource isn't run, if it isn't."""
    integration = resource.removeprefix("arn:aws:states:::")
    if integration == resource:
        return  # a function's own ARN, which is checked when it is parsed
    called, _, pattern = integration.partition(".")
    if not called.startswith(INTEGRATIONS) or pattern not in {"", "waitForTaskToken"}:
        yield f"Resource {resource} isn't run"


def _of_type(resources: dict[str, Resource], kind: str) -> Iterator[tuple[str, Resource]]:
    return ((n, r) for n, r in resources.items() if r["Type"] == f"AWS::Lambda::{kind}")


def _take_out(template: Template, creatable: set[str]) -> None:
    """Move out of the stack what moto doesn't create, and refuse what can't be delivered."""
    resources: dict[str, Resource] = template.stack["Resources"]
    for name, resource in list(resources.items()):
        kind = resource["Type"]
        if _is_of_kafka(resource):
            template.left_out[name] = "there is no Kafka here"
            del resources[name]
            continue
        _refuse_undeliverable(name, resource)
        if kind == "AWS::Events::Rule" and "ScheduleExpression" in resource["Properties"]:
            template.schedules[name] = deepcopy(resource)
        elif (own := _run_here(template, kind)) is not None:
            own[name] = resources.pop(name)
        elif kind not in creatable or _is_idle_here(kind, resource):
            template.left_out[name] = f"moto creates no {kind}"
            del resources[name]
    template.left_out |= dict.fromkeys(template.apis, "the local cloud has a server of its own for it")
    template.left_out |= dict.fromkeys(template.custom, "the local cloud asks its function")
    outputs = template.stack.get("Outputs", {})
    for name in [name for name, output in outputs.items() if references(output) & template.left_out.keys()]:
        template.left_out[name] = "an output of something left out"
        del outputs[name]
    for name, resource in resources.items():
        if missing := references(resource) & template.left_out.keys():
            raise UnsupportedTemplateError(f"{name} needs {', '.join(sorted(missing))}: moto doesn't create it")
        after = resource.get("DependsOn", [])
        after = [after] if isinstance(after, str) else after
        resource["DependsOn"] = [other for other in after if other in resources]  # moto would wait for others


def _run_here(template: Template, kind: str) -> dict[str, Resource] | None:
    """Return where resources of a kind are gathered that the local cloud runs itself; None for others."""
    if kind.startswith("Custom::"):
        return template.custom
    return {
        "AWS::Lambda::EventSourceMapping": template.mappings,
        "AWS::Scheduler::Schedule": template.schedules,
        "AWS::ApiGatewayV2::Api": template.apis,
        "AWS::Events::EventBusPolicy": template.bus_policies,
    }.get(kind)


def _is_idle_here(kind: str, resource: Resource) -> bool:
    """Whether there is nothing for it to do here: it shows metrics, or ties a function to an HTTP API in the cloud."""
    invoker = resource.get("Properties", {}).get("Principal")
    permits = kind == "AWS::Lambda::Permission" and invoker == "apigateway.amazonaws.com"
    return permits or kind in {"AWS::ApiGatewayV2::Stage", "AWS::CloudWatch::Dashboard"}


def _is_of_kafka(resource: Resource) -> bool:
    """Whether it is an event source mapping that reads a topic of Kafka."""
    return resource["Type"] == "AWS::Lambda::EventSourceMapping" and "Topics" in resource.get("Properties", {})


def _refuse_undeliverable(name: str, resource: Resource) -> None:
    kind, properties = resource["Type"], resource.get("Properties", {})
    if kind.startswith(UNDELIVERABLE):
        raise UnsupportedTemplateError(f"{name}: {kind} isn't delivered by the local cloud")
    if kind == "AWS::Lambda::EventSourceMapping" and (unknown := properties.keys() - MAPPING_PROPERTIES):
        raise UnsupportedTemplateError(f"{name}: {', '.join(sorted(unknown))} isn't honoured")
    if kind == "AWS::S3::Bucket" and "NotificationConfiguration" in properties:
        raise UnsupportedTemplateError(f"{name}: a bucket sends no events about its objects")
    sources = properties.get("EventPattern", {}).get("source", [])
    if kind == "AWS::Events::Rule" and any(str(source).startswith("aws.") for source in sources):
        raise UnsupportedTemplateError(f"{name}: no service of AWS puts events on a bus")
    if kind == "AWS::Events::Rule" and "ScheduleExpression" not in properties:
        for target in properties.get("Targets", []):
            if altered := {"Input", "InputPath", "InputTransformer"} & target.keys():
                raise UnsupportedTemplateError(f"{name}: a target's {altered.pop()} isn't honoured")


def references(fragment: object) -> set[str]:
    """Return the logical ids that Ref, Fn::GetAtt and Fn::Sub name anywhere in this fragment."""
    found: set[str] = set()
    if isinstance(fragment, list):
        for part in fragment:
            found |= references(part)
    elif isinstance(fragment, dict):
        for key, value in fragment.items():
            if key == "Ref":
                found.add(value)
            elif key == "Fn::GetAtt":
                found.add(value[0] if isinstance(value, list) else value.partition(".")[0])
            elif key == "Fn::Sub":
                text = json.dumps(value)
                found |= {part.partition("}")[0].partition(".")[0] for part in text.split("${")[1:]}
            else:
                found |= references(value)
    return found

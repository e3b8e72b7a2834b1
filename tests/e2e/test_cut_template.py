"""What `make e2e` deploys is the template, but for what LocalStack has no part for."""

import json
from pathlib import Path

import pytest

from certs.debug.containers import ROOT
from tests.e2e.cut_template import CutTemplate, UncutError, cut, quickened, resolved
from tests.scenes.template_expansion import of_type

TEMPLATE = ROOT / "template.yaml"  # its paths are relative, as in what sam build writes
GIVEN = {"TokenIssuer": "https://issuer.example.org", "TrafficShift": "off"}


@pytest.fixture(scope="module")
def template() -> CutTemplate:
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("AWS_DEFAULT_REGION", "eu-west-1")
        return cut(TEMPLATE, GIVEN, "http://127.0.0.1:1")


def test_every_function_layer_and_machine_is_left_with_its_code(template: CutTemplate) -> None:
    functions = of_type(template.stack, "AWS::Lambda::Function")
    assert functions["IngestFunction"]["Code"] == str(ROOT / "functions" / "ingest")
    assert len(functions) == len(list(ROOT.glob("functions/*/app.py")))
    assert all(Path(function["Code"]).is_dir() for function in functions.values())
    (layer,) = of_type(template.stack, "AWS::Lambda::LayerVersion").values()
    assert layer["Content"] == str(ROOT / "layers" / "certrules")
    machines = of_type(template.stack, "AWS::StepFunctions::StateMachine")
    assert len(machines) == len(list(ROOT.glob("statemachines/*.json")))
    assert all("StartAt" in json.loads(machine["DefinitionString"]) for machine in machines.values())


def test_what_is_left_out_is_counted_with_its_reason_and_needed_by_nothing(template: CutTemplate) -> None:
    kinds = {what.partition(": ")[0].partition("::")[2] for what in template.left_out}
    assert kinds >= {"CloudWatch::Alarm", "CloudWatch::Dashboard", "Events::Archive", "ApiGatewayV2::Api"}
    text = json.dumps(template.stack)
    assert "ValidParameters" not in text
    assert "ArchiveArn" not in template.stack["Outputs"]
    assert template.stack["Outputs"]["SupportUrl"] == {"Value": "http://127.0.0.1:1"}


def test_queues_are_read_as_in_aws_and_the_stream_is_not(template: CutTemplate) -> None:
    mappings = of_type(template.stack, "AWS::Lambda::EventSourceMapping")
    assert {name for name in mappings if not name.startswith(("Bridge", "Records"))} == {
        "IngestFunctionQueue",
        "RedecideFunctionQueue",
    }


def test_what_something_else_needs_is_not_left_out(tmp_path: Path) -> None:
    text = TEMPLATE.read_text().replace("PUBLISH_HOST: !Ref PublishFunction", "PUBLISH_HOST: !Ref Archive")
    (tmp_path / "template.yaml").write_text(text)
    for folder in ("functions", "layers", "statemachines"):
        (tmp_path / folder).symlink_to(ROOT / folder)
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("AWS_DEFAULT_REGION", "eu-west-1")
        with pytest.raises(UncutError, match="ReconcileFunction needs Archive"):
            cut(tmp_path / "template.yaml", GIVEN, "")


def test_waits_are_short_and_few_items_are_worked_on_at_once() -> None:
    machine = {
        "Settle": {"Type": "Wait", "Seconds": 60},
        "Asked": {"Type": "Wait", "SecondsPath": "$.settle_seconds"},
        "Each": [{"Type": "Map", "MaxConcurrency": 32}, {"Type": "Map", "MaxConcurrency": 1}],
    }
    assert quickened(machine) == {
        "Settle": {"Type": "Wait", "Seconds": 1},
        "Asked": {"Type": "Wait", "SecondsPath": "$.settle_seconds"},
        "Each": [{"Type": "Map", "MaxConcurrency": 2}, {"Type": "Map", "MaxConcurrency": 1}],
    }


def test_the_api_has_parameters_in_place_of_references(template: CutTemplate) -> None:
    issuer, scope = {"issuer": {"Ref": "TokenIssuer"}}, {"Fn::Sub": "${ScopePrefix}view"}
    chosen = {"Fn::If": ["HasSupport", [issuer, scope], {"Ref": "AWS::NoValue"}]}
    assert resolved(chosen, template.parameters) == [{"issuer": "https://issuer.example.org"}, "certificates/view"]
    assert template.api["openapi"] == "3.0.1"

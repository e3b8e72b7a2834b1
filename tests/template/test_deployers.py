"""Who deploys has the rights that the stack needs, on what is named like the stack, and no others."""

import json
from fnmatch import fnmatchcase

import pytest

from tests.scenes.template_expansion import ROOT, Json

# What CloudFormation calls to create and remove a resource of each type.
CALLS = {
    "AWS::ApiGatewayV2::Api": ["apigateway:POST", "apigateway:DELETE"],
    "AWS::ApiGatewayV2::Stage": ["apigateway:POST", "apigateway:DELETE"],
    "AWS::CloudWatch::Alarm": ["cloudwatch:PutMetricAlarm", "cloudwatch:DeleteAlarms"],
    "AWS::CloudWatch::Dashboard": ["cloudwatch:PutDashboard", "cloudwatch:DeleteDashboards"],
    "AWS::CodeDeploy::Application": ["codedeploy:CreateApplication", "codedeploy:DeleteApplication"],
    "AWS::CodeDeploy::DeploymentGroup": ["codedeploy:CreateDeploymentGroup", "codedeploy:DeleteDeploymentGroup"],
    "AWS::DynamoDB::Table": ["dynamodb:CreateTable", "dynamodb:DeleteTable", "dynamodb:UpdateContinuousBackups"],
    "AWS::Events::Archive": ["events:CreateArchive", "events:DeleteArchive"],
    "AWS::Events::EventBus": ["events:CreateEventBus", "events:DeleteEventBus"],
    "AWS::Events::EventBusPolicy": ["events:PutPermission", "events:RemovePermission"],
    "AWS::Events::Rule": ["events:PutRule", "events:PutTargets", "events:RemoveTargets", "events:DeleteRule"],
    "AWS::IAM::Role": ["iam:CreateRole", "iam:PutRolePolicy", "iam:PassRole", "iam:DeleteRole"],
    "AWS::Lambda::Alias": ["lambda:CreateAlias", "lambda:UpdateAlias", "lambda:DeleteAlias"],
    "AWS::Lambda::EventSourceMapping": ["lambda:CreateEventSourceMapping", "lambda:DeleteEventSourceMapping"],
    "AWS::Lambda::Function": ["lambda:CreateFunction", "lambda:UpdateFunctionCode", "lambda:DeleteFunction"],
    "AWS::Lambda::LayerVersion": ["lambda:PublishLayerVersion", "lambda:DeleteLayerVersion"],
    "AWS::Lambda::Permission": ["lambda:AddPermission", "lambda:RemovePermission"],
    "AWS::Lambda::Version": ["lambda:PublishVersion"],
    "AWS::Logs::LogGroup": ["logs:CreateLogGroup", "logs:PutRetentionPolicy", "logs:DeleteLogGroup"],
    "AWS::S3::Bucket": ["s3:CreateBucket", "s3:PutEncryptionConfiguration", "s3:DeleteBucket"],
    "AWS::S3::BucketPolicy": ["s3:PutBucketPolicy", "s3:DeleteBucketPolicy"],
    "AWS::SQS::Queue": ["sqs:CreateQueue", "sqs:SetQueueAttributes", "sqs:DeleteQueue"],
    "AWS::SQS::QueuePolicy": ["sqs:SetQueueAttributes"],
    "AWS::StepFunctions::StateMachine": ["states:CreateStateMachine", "states:DeleteStateMachine"],
    "Custom::TableProtection": ["lambda:InvokeFunction"],
    "Custom::ValidParameters": ["lambda:InvokeFunction"],
}
# AWS knows no narrower resource for these, or their names are not the stack's to choose.
NAMED = ("${Stack}", "${CodeBucket}", "aws-sam-cli-managed-default", "Serverless-2016", "CodeDeployDefault")
NOT_OF_THE_STACK = {"EventSourceMappings", "FindLogs", "AnomalyBand", "Api", "Layers"}


def policy(name: str) -> Json:
    """Return a policy of the documentation."""
    document: Json = json.loads((ROOT / "docs" / "policies" / f"{name}.json").read_text())
    return document


def test_cloudformation_may_create_and_remove_each_kind_of_resource_of_the_stack(stack: Json) -> None:
    allowed = {action for statement in policy("cloudformation")["Statement"] for action in statement["Action"]}
    for kind in {resource["Type"] for resource in stack["Resources"].values()}:
        assert set(CALLS[kind]) <= allowed, kind


def test_cloudformation_has_no_rights_on_services_that_the_stack_does_not_use(stack: Json) -> None:
    kinds = {resource["Type"] for resource in stack["Resources"].values()}
    services = {call.partition(":")[0] for kind in kinds for call in CALLS[kind]}
    allowed = {action for statement in policy("cloudformation")["Statement"] for action in statement["Action"]}
    assert {action.partition(":")[0] for action in allowed} == services


@pytest.mark.parametrize("name", ["cloudformation", "deployer"])
def test_a_deployers_rights_name_their_actions_and_the_stack(name: str) -> None:
    for statement in policy(name)["Statement"]:
        assert not [action for action in statement["Action"] if "*" in action]
        assert statement["Action"] == sorted(set(statement["Action"]))
        if statement["Sid"] not in NOT_OF_THE_STACK:
            for resource in statement["Resource"]:
                named = (
                    "${Stack}",
                    "${CodeBucket}",
                    "aws-sam-cli-managed-default",
                    "Serverless-2016",
                    "CodeDeployDefault",
                )
                assert any(part in resource for part in named), resource


def test_every_pass_of_a_role_names_the_services() -> None:
    for name in ("cloudformation", "deployer"):
        for statement in policy(name)["Statement"]:
            if "iam:PassRole" in statement["Action"]:
                assert statement["Condition"]["StringEquals"]["iam:PassedToService"]


def test_the_person_can_do_nothing_but_have_cloudformation_do_it() -> None:
    actions = {action for statement in policy("deployer")["Statement"] for action in statement["Action"]}
    assert not [a for a in actions if not fnmatchcase(a, "cloudformation:*") and a[:3] not in {"s3:", "iam"}]
    assert [action for action in actions if action.startswith("iam:")] == ["iam:PassRole"]


def test_no_right_is_on_another_partition_than_the_deployments() -> None:
    for path in (ROOT / "docs" / "policies").glob("*.json"):
        assert "arn:aws" not in path.read_text(), path.name

"""What CloudFormation has a stack's own function do during a deployment: read parameters, protect tables."""

import json
from hashlib import sha256
from typing import Any

from certrules import aws, settings

LONGEST_NAME = 32
"""Characters of a stack's name. CloudFormation cuts longer ones in the names of functions, by which roles know them."""


def carry_out(event: dict[str, Any]) -> None:
    """Do what a custom resource's event requests. Raises what makes the deployment fail."""
    properties, removed = event["ResourceProperties"], event["RequestType"] == "Delete"
    if event["ResourceType"] == "Custom::TableProtection":
        protect(properties["Tables"], properties["Protected"] == "true" and not removed)
    elif not removed:
        read_parameters(event["StackId"].split("/")[1], properties["Variables"])


def read_parameters(stack: str, variables: dict[str, str]) -> None:
    """Read the variables of functions as these will. Raises ValueError if they could not."""
    if len(stack) > LONGEST_NAME:
        raise ValueError(f"the stack's name {stack} has {len(stack)} characters, more than {LONGEST_NAME}")
    settings.policies(settings.PolicyParameters(variables["POLICY"], variables["WEB_CERTIFICATES"]))


def protect(tables: list[str], protected: bool) -> None:
    """Protect tables from being deleted, or no longer."""
    dynamodb = aws.client("dynamodb")
    for table in tables:
        if dynamodb.describe_table(TableName=table)["Table"].get("DeletionProtectionEnabled", False) is not protected:
            dynamodb.update_table(TableName=table, DeletionProtectionEnabled=protected)


def digest(properties: dict[str, Any]) -> str:
    """Return a short text that differs for other properties."""
    return sha256(json.dumps(properties, sort_keys=True).encode()).hexdigest()[:12]

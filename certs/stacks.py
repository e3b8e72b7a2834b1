"""The stacks that commands talk to: the local cloud that runs here, or a deployed one."""

import json
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from botocore.exceptions import BotoCoreError, ClientError

NOTE = Path(".certs-local.json")
"""The file with the address of a local cloud, in the folder that it was started from."""


LOOK_SECONDS = 2


@dataclass(frozen=True, slots=True)
class Stack:
    """How a stack's support API is reached."""

    api: str  # its address
    token: str  # names who asks, and their scopes
    endpoint: str = ""  # where the local cloud answers for AWS
    colleague: str = ""  # the token of a second person, on the local cloud
    is_deployed: bool = False
    aws: dict[str, str] = field(default_factory=dict)  # how AWS's clients reach the local cloud
    outputs: dict[str, str] = field(default_factory=dict)  # of its stack


class NoStackError(Exception):
    """There is no such stack, or it doesn't answer; the message has the fix."""


def pause() -> None:
    """Wait between two looks at an execution: AWS doesn't notify anybody when it has ended."""
    time.sleep(LOOK_SECONDS)


def ended(steps: Any, execution: str, on_look: Callable[[], object] = lambda: None) -> dict[str, Any]:
    """Wait for an execution of a state machine, and return what it ended as; `on_look` is called at each look."""
    while True:
        state: dict[str, Any] = steps.describe_execution(executionArn=execution)
        on_look()
        if state["status"] != "RUNNING":
            return state
        pause()


def find(name: str | None) -> Stack:
    """Return how a deployed stack of this name is reached, or without a name, the local cloud. Raises NoStackError."""
    if name is not None:
        return _deployed(name)
    if not NOTE.exists():
        message = "no local cloud is up here: start one (`certs run --keep`, `certs local`), or name a deployed --stack"
        raise NoStackError(message)
    return Stack(**json.loads(NOTE.read_text()))


@dataclass(frozen=True, slots=True)
class Aws:
    """A stack as the AWS credentials of the person who asks reach it."""

    name: str
    options: dict[str, str]  # of the clients
    outputs: dict[str, str]

    def client(self, service: str) -> Any:
        """Return a client of a service."""
        import boto3

        return boto3.client(cast("Any", service), **cast("Any", self.options))


def aws(name: str | None) -> Aws:
    """Return how a deployed stack of this name, or without a name the local cloud, is reached. Raises NoStackError."""
    if name is not None:
        return Aws(name, {}, _outputs(name))
    stack = find(None)
    return Aws("local", stack.aws, stack.outputs)


def _outputs(name: str) -> dict[str, str]:
    import boto3

    try:
        client = boto3.client("cloudformation")
        stack = client.describe_stacks(StackName=name)["Stacks"][0]
    except (BotoCoreError, ClientError) as error:
        raise NoStackError(f"stack {name!r}: {error}") from error
    return {output["OutputKey"]: output["OutputValue"] for output in stack.get("Outputs", [])}


def _deployed(name: str) -> Stack:
    outputs = _outputs(name)
    if "Support" in outputs and "SupportUrl" not in outputs:
        raise NoStackError(f"stack {name!r} has no support API: it is {outputs['Support']}")
    if "SupportUrl" not in outputs:
        raise NoStackError(f"stack {name!r} is none of ours: it has no SupportUrl")
    token = os.environ.get("CERTS_TOKEN", "")
    if not token:
        raise NoStackError("put a token of your identity provider into CERTS_TOKEN: it says who you are")
    return Stack(outputs["SupportUrl"], token, is_deployed=True)

"""LocalStack for a while, with DynamoDB Local behind it, and a stack deployed in it by the SAM CLI."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import boto3

from certs.debug.containers import LOCAL_AWS, RUNTIME_IMAGE, NoContainersError, prepare_runtime_image
from tests.e2e.chapters import UnexpectedError, note
from tests.e2e.cut_template import CutTemplate

PORT = 4599
DYNAMODB_PORT = 8099
"""Not the usual ports: a LocalStack of the person who runs this stays as it is."""

ENDPOINT_IN_CONTAINERS = f"http://172.17.0.1:{PORT}"
"""LocalStack as functions reach it: docker's default bridge."""

ENVIRONMENT = {
    "AWS_ENDPOINT_URL": f"http://127.0.0.1:{PORT}",
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_DEFAULT_REGION": "eu-west-1",
    "SAM_CLI_TELEMETRY": "0",
}
"""By which every client of AWS, in this process and in those that it starts, reaches LocalStack."""

_SETTINGS = {
    "DYNAMODB_LOCAL_PORT": str(DYNAMODB_PORT),
    "LAMBDA_RUNTIME_ENVIRONMENT_TIMEOUT": "120",  # seconds that a container may take to be made on a busy machine
}
_IMAGE = "local/lambda-python:3.13"
"""By which name start-localstack has LocalStack know the image of Lambda's Python."""

_TRIES = 2
_CODE_BUCKET = "e2e-code"


@contextmanager
def localstack() -> Iterator[None]:
    """Start it empty, and stop it afterwards. Raises NoContainersError where it can't run."""
    if not (LOCAL_AWS / "start-localstack").exists():
        raise NoContainersError("no LocalStack: CERTS_LOCAL_AWS may name a folder whose `start-localstack` starts it")
    prepare_runtime_image()
    subprocess.run(["docker", "tag", RUNTIME_IMAGE, _IMAGE], check=True)  # start-localstack's own lacks parts of libc
    _stop()
    try:
        _start()
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # half stopped, it would run on
        _stop()


def _start() -> None:
    for _ in range(_TRIES):
        ran = _script("start-localstack", str(PORT))
        if ran.returncode == 0:
            return
        note(f"LocalStack did not start: {ran.stderr.strip()}")
    raise NoContainersError(f"LocalStack did not start in {_TRIES} tries")


def _stop() -> None:
    _script("start-localstack", "--stop", str(PORT))
    kill_left(PORT)
    _script("start-dynamodb-local", "--stop", str(DYNAMODB_PORT))


def kill_left(port: int) -> list[int]:
    """Kill what is left of a LocalStack at a port, it and what it started; return their process ids.

    After a story it may take longer to shut its services down than start-localstack waits, which then leaves it.
    """
    left = [int(folder.name) for folder in Path("/proc").glob("[0-9]*") if _listens_at(port, folder)]
    for process_id in left:
        with suppress(ProcessLookupError):  # it ended meanwhile
            os.kill(process_id, signal.SIGKILL)
    return left


def _listens_at(port: int, folder: Path) -> bool:
    """Return whether a process has the variables that start-localstack gives to LocalStack alone."""
    try:
        return f"GATEWAY_LISTEN=0.0.0.0:{port}".encode() in (folder / "environ").read_bytes().split(b"\0")
    except OSError:  # it ended, or is another user's
        return False


def _script(name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [LOCAL_AWS / name, *arguments], env=os.environ | _SETTINGS, capture_output=True, text=True, check=False
    )


def deploy(name: str, template: CutTemplate, folder: Path) -> None:
    """Deploy a template as a stack of this name, by way of a folder. Raises UnexpectedError."""
    file = folder / "template.json"
    file.write_text(json.dumps(template.stack))
    boto3.client("s3").create_bucket(Bucket=_CODE_BUCKET, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    parameters = [f"{name}={value}" for name, value in template.parameters.items() if value]
    command = [
        str(Path(sys.executable).with_name("sam")), "deploy",
        "--template-file", str(file), "--stack-name", name, "--s3-bucket", _CODE_BUCKET,
        "--capabilities", "CAPABILITY_IAM", "--no-confirm-changeset", "--no-progressbar",
        "--parameter-overrides", *parameters,
    ]  # fmt: skip
    ran = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if ran.returncode:
        raise UnexpectedError(f"sam deploy failed:\n{ran.stdout[-6000:]}\n{ran.stderr[-3000:]}")

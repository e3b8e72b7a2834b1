"""Functions in real Lambda containers, through the SAM CLI and docker."""

import json
import os
import platform
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from uuid import uuid4

import click

from localcloud import LocalCloud

Json = dict[str, Any]


type Runner = Callable[[str, object], Any]
"""Runs a function, named by its logical id, on an event, and returns its answer."""


ROOT = Path(__file__).resolve().parents[2]


LOCAL_AWS = Path(os.environ.get("CERTS_LOCAL_AWS", ROOT.parent / "shared" / "local-aws"))


MACHINE = {"arm64": "aarch64"}.get(platform.machine(), platform.machine())  # macOS and Linux name it differently


ARCHITECTURE = "arm64" if MACHINE == "aarch64" else "x86_64"  # of the containers; what is built runs on both


RUNTIME_IMAGE = f"public.ecr.aws/lambda/python:3.13-{ARCHITECTURE}"


CONTAINER_HOST = "host.docker.internal"  # this machine, as a container sees it


SAM_LOCAL = (
    "--skip-pull-image",
    "--add-host",
    f"{CONTAINER_HOST}:host-gateway",
    "--parameter-overrides",
    f"Architecture={ARCHITECTURE}",
)


LIBC = f"/lib/{MACHINE}-linux-gnu"


READY_SECONDS = 60  # for `sam local start-lambda`, which only has to read the template


INVOCATION_SECONDS = 120  # of which a container may take 30 to be made


NO_DOCKER = (
    "a Lambda container needs docker: start it, or install it (on Debian: apt install docker.io). "
    "Everything but `make debug` works without it."
)


NO_IMAGE = (
    f"docker has no image {RUNTIME_IMAGE} and can't pull it; "
    "CERTS_LOCAL_AWS may name a folder whose `build-lambda-image` makes it."
)


class NoContainersError(click.ClickException):
    """This machine can't run Lambda containers; the exit code differs from a failure's."""

    exit_code = 3


class FunctionFailedError(click.ClickException):
    """The function raised, or the container did not answer."""


def prepare_runtime_image() -> None:
    """Have docker hold the image that Lambda runs Python in. Raises NoContainersError."""
    build = LOCAL_AWS / "build-lambda-image"
    if not _succeeds("docker", "info"):
        if not build.exists() or not _succeeds(build, quiet=False):
            raise NoContainersError(NO_DOCKER)
    elif not (
        _succeeds("docker", "image", "inspect", RUNTIME_IMAGE)
        or _succeeds("docker", "pull", "--quiet", RUNTIME_IMAGE)
        or (build.exists() and _succeeds(build, quiet=False))
    ):
        raise NoContainersError(NO_IMAGE)
    _complete_runtime_image()


def _complete_runtime_image() -> None:
    """Give the image the parts of libc that wheels link to: one made of this machine has only what CPython needs."""
    looked = f"test -e {LIBC}/librt.so.1 || test -e /lib64/librt.so.1 || test -e /usr/lib64/librt.so.1"
    if _succeeds("docker", "run", "--rm", "--entrypoint", "/bin/sh", RUNTIME_IMAGE, "-c", looked):
        return
    name = f"complete-{uuid4()}"
    _succeeds("docker", "create", "--name", name, RUNTIME_IMAGE)
    for part in ("librt.so.1", "libdl.so.2", "libpthread.so.0", "libgcc_s.so.1"):
        _succeeds("docker", "cp", "--follow-link", f"{LIBC}/{part}", f"{name}:{LIBC}/")
    _succeeds("docker", "commit", name, RUNTIME_IMAGE)
    _succeeds("docker", "rm", name)


def build_functions() -> None:
    """Build layer and functions as they are deployed. Raises ClickException."""
    command = [str(_sam()), "build"]
    built = subprocess.run(command, cwd=ROOT, env=_environment(), capture_output=True, text=True, check=False)
    if built.returncode:
        raise click.ClickException(f"sam build failed:\n{built.stdout}{built.stderr}")


def _succeeds(*command: str | Path, quiet: bool = True) -> bool:
    if shutil.which(command[0]) is None:
        return False
    output = subprocess.DEVNULL if quiet else sys.stderr
    return (
        subprocess.run(command, cwd=ROOT, stdout=output, stderr=output, env=_environment(), check=False).returncode == 0
    )


def _sam() -> Path:
    return Path(sys.executable).with_name("sam")


def _environment() -> dict[str, str]:
    """Give this process's environment, with the python3.13 that `sam build` looks for."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return os.environ | {"PATH": path, "SAM_CLI_TELEMETRY": "0"}


@contextmanager
def one_container_each(cloud: LocalCloud) -> Iterator[Runner]:
    """Yield what runs each invocation in a container of its own and shows its log: `sam local invoke`."""
    with _variables(cloud) as variables:

        def run(function: str, event: object) -> Any:
            command = [
                str(_sam()),
                "local",
                "invoke",
                function,
                "--event",
                "-",
                "--env-vars",
                str(variables),
                *SAM_LOCAL,
            ]
            ran = subprocess.run(
                command,
                cwd=ROOT,
                env=_environment(),
                input=json.dumps(event),
                stdout=subprocess.PIPE,
                text=True,
                check=False,
            )
            if ran.returncode:
                raise FunctionFailedError(f"sam local invoke {function} failed")
            return _answer(function, ran.stdout)

        yield run


@contextmanager
def warm_containers(cloud: LocalCloud) -> Iterator[Runner]:
    """Yield a runner with one warm container for each function: `sam local start-lambda`."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    with _variables(cloud) as variables, TemporaryDirectory() as folder:
        log = Path(folder, "sam.log")
        command = [
            str(_sam()),
            "local",
            "start-lambda",
            "--port",
            port,
            "--warm-containers",
            "LAZY",
            "--no-watch",
        ]
        with log.open("w") as written:
            sam = subprocess.Popen(
                [*command, "--env-vars", variables, *SAM_LOCAL],
                cwd=ROOT,
                env=_environment(),
                stdout=written,
                stderr=written,
            )

        def run(function: str, event: object) -> Any:
            request = urllib.request.Request(
                f"http://127.0.0.1:{port}/2015-03-31/functions/{function}/invocations",
                json.dumps(event).encode(),
            )
            try:
                with urllib.request.urlopen(request, timeout=INVOCATION_SECONDS) as response:
                    return _answer(function, response.read().decode())
            except OSError as error:
                raise FunctionFailedError(f"{function}: {error}\n{log.read_text()}") from error

        try:
            _wait_for(sam, int(port), log)
            yield run
        finally:
            sam.terminate()  # it stops its containers then
            sam.wait(INVOCATION_SECONDS)


@contextmanager
def _variables(cloud: LocalCloud) -> Iterator[Path]:
    """Serve the cloud, and yield the file of environment variables with its address for functions in containers.

    What names another server of this machine names it as a container sees it.
    """
    port = cloud.serve(0).rpartition(":")[2]
    here = f"http://{CONTAINER_HOST}:"
    variables = {
        name: {
            k: f"{here}{port}" if k.startswith("AWS_ENDPOINT_URL") else v.replace("http://127.0.0.1:", here)
            for k, v in cloud.environment(name).items()
        }
        for name in cloud.functions
    }
    with TemporaryDirectory() as folder:
        file = Path(folder, "variables.json")
        file.write_text(json.dumps(variables))
        yield file


def _wait_for(sam: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while sam.poll() is None and time.monotonic() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    raise FunctionFailedError(f"sam local start-lambda does not answer:\n{log.read_text()}")


def _answer(function: str, text: str) -> Any:
    """Read the answer of a function. SAM marks no failure: an error shows only in the answer's shape."""
    if not text.strip():
        raise FunctionFailedError(f"{function} gave no answer: its container was stopped, as when its time is over")
    answer = json.loads(text)
    if isinstance(answer, dict) and "errorType" in answer:
        raise FunctionFailedError(f"{function} raised {answer['errorType']}: {answer.get('errorMessage')}")
    return answer

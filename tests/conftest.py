"""What every test stands on: no real AWS, hypothesis profiles, and the optional things of the machine."""

import gc
import importlib
import os
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from xdist.workermanage import WorkerController

from tests.scenes.machine import LOCAL_AWS, SHARED_DATA, free_port

DYNAMODB_PORT = pytest.StashKey[int]()
OPTIONAL = ("dynamodb_local", "shared_data")  # fixtures whose tests get the marker of the same name
MANY_OBJECTS = 2_000_000  # allocated and not freed since the last collection: some hundred megabytes

settings.register_profile("dev", max_examples=50, deadline=None)  # draws again in each run, and remembers what failed
settings.register_profile(  # a commit passes in every run or in none
    "ci", max_examples=100, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci" if os.environ.get("CI") else "dev"))


def pytest_configure(config: pytest.Config) -> None:
    """Agree with the other xdist workers on one port for DynamoDB Local."""
    config.stash[DYNAMODB_PORT] = getattr(config, "workerinput", {}).get("dynamodb_port") or free_port()


@pytest.hookimpl(optionalhook=True, wrapper=True)
def pytest_xdist_auto_num_workers() -> Generator[None, int, int]:
    """Have one worker more than there are cores: some test always waits for a bus, a browser or another process."""
    return 1 + (yield)


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: WorkerController) -> None:
    """Give a starting xdist worker the port."""
    node.workerinput["dynamodb_port"] = node.config.stash[DYNAMODB_PORT]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests that need something of the machine by the fixtures that they use."""
    for item in items:
        for name in OPTIONAL:
            if name in getattr(item, "fixturenames", ()):
                item.add_marker(name)


def pytest_collection_finish() -> None:
    """Make stacks quick, if these tests have any, and leave garbage to the hook below.

    Collections while stacks grow took a sixth of all time.
    """
    if "localcloud" in sys.modules:
        importlib.import_module("tests.scenes.short_cuts").take()
    gc.freeze()  # all modules
    gc.disable()


def pytest_runtest_logfinish() -> None:
    """Collect garbage after a test, once there is much of it."""
    if gc.get_count()[0] > MANY_OBJECTS:
        gc.collect()


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Stop this run's DynamoDB Local, if one was started: in the process that outlives all workers."""
    gc.freeze()  # Python would collect garbage once more as it ends, for seconds
    if not hasattr(session.config, "workerinput") and (LOCAL_AWS / "start-dynamodb-local").exists():
        subprocess.run(
            [LOCAL_AWS / "start-dynamodb-local", "--stop", str(session.config.stash[DYNAMODB_PORT])],
            check=True,
        )


@pytest.fixture(autouse=True)
def _not_the_real_aws(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give botocore credentials that open nothing, and nothing of the developer's own configuration."""
    for name in list(os.environ):
        if name.startswith("AWS_"):
            monkeypatch.delenv(name)
    for name, value in {
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_SESSION_TOKEN": "testing",
        "AWS_DEFAULT_REGION": "eu-west-1",
        "AWS_REGION": "eu-west-1",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
    }.items():
        monkeypatch.setenv(name, value)


@pytest.fixture(scope="session")
def dynamodb_local(request: pytest.FixtureRequest) -> str:
    """The endpoint of AWS's own DynamoDB engine, in memory. The whole run shares it: name tables uniquely.

    CERTS_DYNAMODB_LOCAL may name one that runs already; otherwise it is started, or the test is skipped.
    """
    if running := os.environ.get("CERTS_DYNAMODB_LOCAL"):
        return running
    starter = LOCAL_AWS / "start-dynamodb-local"
    if not starter.exists():
        pytest.skip("DynamoDB Local: neither CERTS_DYNAMODB_LOCAL nor CERTS_LOCAL_AWS/start-dynamodb-local")
    port = str(request.config.stash[DYNAMODB_PORT])
    started = subprocess.run([starter, port], check=False, capture_output=True, text=True)
    if started.returncode:
        pytest.skip(f"DynamoDB Local does not start: {started.stderr.strip().rpartition('\n')[2]}")
    return started.stdout.strip()


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real data, which no clone contains; CERTS_DATA names it."""
    if not SHARED_DATA.is_dir():
        pytest.skip("no data folder: CERTS_DATA names none")
    return SHARED_DATA

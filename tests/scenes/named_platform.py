"""A stack that stores learners' names and asks a platform for them, and that platform."""

from collections.abc import Iterator

import msgspec
import pytest

from localcloud import LocalCloud
from tests.scenes.named_learners import WITH_NAMES
from tests.scenes.platform_accounts import CLIENT, Platform, serving
from tests.scenes.scene import TEMPLATE, Scene
from tests.scenes.support_client import Client

_SECRET = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:lms-client"


@pytest.fixture(scope="module")
def platform() -> Iterator[Platform]:
    """A platform that this process serves."""
    with serving() as platform:
        yield platform


@pytest.fixture(scope="module")
def stack(platform: Platform) -> Iterator[Scene]:
    """A stack with LearnerNames on, and with this platform."""
    parameters = {**WITH_NAMES, "PlatformUrl": platform.url, "PlatformCredentialsSecret": _SECRET}
    with LocalCloud(TEMPLATE, parameters) as cloud:
        cloud.client("secretsmanager").create_secret(
            Name="lms-client", SecretString=msgspec.json.encode(CLIENT).decode()
        )
        with cloud.functions["SupportFunction"].running():  # the support function is imported here
            pass
        yield Scene(cloud)


@pytest.fixture(autouse=True)
def _platform_as_ever(scene: Scene, platform: Platform) -> None:
    """A platform without faults, of which nothing is remembered, and which counts requests from now on."""
    fresh = Platform()
    platform.accounts, platform.answers, platform.is_staff = fresh.accounts, [], True
    platform.secret = fresh.secret
    platform.requests.clear()
    with scene.cloud.functions["SupportFunction"].running():
        from certrules.support import learners

        learners.platform.cache_clear()


@pytest.fixture(autouse=True)
def _nothing_is_known(scene: Scene) -> None:
    """A stack in which nobody is known yet."""
    scene.empty_tables()


@pytest.fixture
def support_client(scene: Scene) -> Client:
    """A support person with all rights."""
    return Client(scene)

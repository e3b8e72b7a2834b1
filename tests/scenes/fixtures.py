"""Fixtures of a stack on the local cloud."""

from collections.abc import Iterator
from itertools import count

import pytest

from certs.run import LOCAL_PARAMETERS
from localcloud import LocalCloud
from tests.scenes.scene import TEMPLATE, Learner, Scene, Wire, tapped

_numbers = count(1001)


@pytest.fixture(scope="module")
def stack() -> Iterator[Scene]:
    """The stack of the template, in this process."""
    with LocalCloud(TEMPLATE, LOCAL_PARAMETERS) as cloud:
        yield Scene(cloud)


@pytest.fixture
def scene(stack: Scene) -> Scene:
    """The stack, its queues empty."""
    stack.empty_queues()
    return stack


@pytest.fixture
def learner() -> Learner:
    """A learner of whom nothing is known, in a course run of which nothing is known."""
    number = next(_numbers)
    return Learner(number, f"course-v1:CertX+CS{number}+2026")


@pytest.fixture
def wire(scene: Scene) -> Iterator[Wire]:
    """Every request to AWS from here on."""
    assert scene is not None
    with tapped() as tap:
        yield tap

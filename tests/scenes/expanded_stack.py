"""The template, expanded once, as a fixture."""

import pytest

from tests.scenes.template_expansion import Json, expanded


@pytest.fixture(scope="session")
def stack() -> Json:
    """The template as CloudFormation will see it."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("AWS_DEFAULT_REGION", "eu-west-1")
        return expanded()

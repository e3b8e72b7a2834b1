"""Requests made of our own OpenAPI document, valid and invalid: every answer is one that the document has."""

import json
from urllib.parse import urlencode

import pytest
from schemathesis import GenerationMode

from tests.fuzz.api_requests import LEARNER, MODES, OPERATIONS, FuzzedApi, Operation
from tests.scenes.scene import Scene
from tests.scenes.support_client import about

EXAMPLES = 15  # requests of each operation, allowed and forbidden ones; `make fuzz` sends more

pytestmark = pytest.mark.filterwarnings("ignore:No application metrics to publish")


@pytest.fixture(scope="module")
def api(stack: Scene) -> FuzzedApi:
    """The API, with what can be known there."""
    return FuzzedApi.on(stack)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.label)
def test_every_answer_is_one_that_the_document_has(api: FuzzedApi, operation: Operation, mode: GenerationMode) -> None:
    api.fuzz(operation, mode, EXAMPLES)


def test_the_requests_reach_what_is_known(api: FuzzedApi) -> None:
    token = api.scene.cloud.api.token("ada", ["certificates/view"])
    answer = api.scene.cloud.api.request(
        "GET", f"/v1/case?{urlencode(about(LEARNER))}", {"Authorization": f"Bearer {token}"}
    )
    assert json.loads(answer.body)["learner_id"] == LEARNER.learner_id

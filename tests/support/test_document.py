"""The OpenAPI document allows what the API takes, so that programs that are made of it don't run into refusals."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from certrules.formats.course_keys import is_course_key
from tests.scenes.scene import Scene
from tests.scenes.support_client import Client, document, reported

pytestmark = pytest.mark.filterwarnings("ignore:No application metrics to publish")

WITHOUT_BODY = ("/v1/regenerations/{run_id}/resume", "/v1/revocations/{revocation_id}/{decision}")
KEYS = (
    "course-v1:DemoX+CS101+2026_T1", "ccx-v1:DemoX+CS101+2026_T1+ccx@7", "DemoX/CS101/2026", "", "CS101",
    "course-v1:DemoX+CS101", "course-v1:DemoX+CS101+2026_T1 ",
)  # fmt: skip


def schemas(node: Any) -> Iterator[dict[str, Any]]:
    """Yield every schema in a part of the document."""
    if isinstance(node, dict):
        if isinstance(node.get("type"), str):
            yield node
        for part in node.values():
            yield from schemas(part)
    elif isinstance(node, list):
        for part in node:
            yield from schemas(part)


@pytest.mark.parametrize(
    ("path", "name", "words"),
    [
        ("/v1/automatic-revocations/{switch}", "switch", ["stop", "resume"]),
        ("/v1/regenerations/{run_id}/{decision}", "decision", ["approve", "decline"]),
        ("/v1/revocations/{revocation_id}/{decision}", "decision", ["approve", "decline"]),
    ],
)
def test_the_document_names_the_words_that_a_path_takes(path: str, name: str, words: list[str]) -> None:
    parameters = document()["paths"][path]["post"]["parameters"]
    assert next(one for one in parameters if one["name"] == name)["schema"]["enum"] == words


@pytest.mark.parametrize("path", WITHOUT_BODY)
def test_the_document_states_that_a_call_without_a_body_names_its_media_type(scene: Scene, path: str) -> None:
    body = document()["paths"][path]["post"]["requestBody"]
    assert (body["required"], list(body["content"])) == (True, ["application/json"])
    address = path.format(run_id="none", revocation_id="none", decision="approve")
    assert reported(Client(scene).ask("POST", address)).status == 415
    assert Client(scene).post(address).status == 404  # it is taken, and there is no such run


def test_the_document_has_the_bounds_of_numbers_as_json_schema_writes_them() -> None:
    numbers = [one for one in schemas(document()) if one["type"] in {"integer", "number"}]
    bounds = [
        (name, value)
        for one in numbers
        for name, value in one.items()
        if name in {"ge", "gt", "le", "lt", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"}
    ]
    assert ("exclusiveMaximum", 2**63) in bounds
    assert [bound for bound in bounds if len(bound[0]) == 2 or isinstance(bound[1], float)] == []


@pytest.mark.parametrize("key", KEYS)
def test_the_document_has_the_form_of_a_course_runs_key(key: str) -> None:
    course_run = document()["components"]["schemas"]["ActRequest"]["properties"]["course_run"]
    assert bool(re.search(course_run["pattern"], key)) is is_course_key(key)


@pytest.mark.parametrize("reason", ["ticket 12", "two\nlines", "bell\x07", "end\x7f", "turned \u202e", "next\x85line"])
def test_the_document_has_which_characters_a_reason_may_have(scene: Scene, reason: str) -> None:
    pattern = document()["components"]["schemas"]["Switch"]["properties"]["reason"]["pattern"]
    answer = Client(scene).post("/v1/automatic-revocations/stop", course_run=None, reason=reason)
    assert bool(re.search(pattern, reason)) is (answer.status == 202)


def test_the_document_has_what_is_answered_where_no_learner_can_be(scene: Scene) -> None:
    assert Client(scene).get("/v1/learners/%22").status == 404


def test_a_refusal_names_the_place_and_not_how_it_is_read(scene: Scene) -> None:
    answer = Client(scene).post("/v1/regenerations", course_runs=["no key"], reason="new policy")
    assert (answer.status, answer.body["field"]) == (422, "course_runs.0")


def test_every_call_documents_its_refusals_and_the_form_of_the_keys_that_it_takes() -> None:
    for path, calls in document()["paths"].items():
        for method, call in calls.items():
            refusals = {"422"} | ({"415"} if method == "post" else set()) | ({"404"} if "{" in path else set())
            assert refusals <= call["responses"].keys(), (method, path)
            keys = [one["schema"] for one in call.get("parameters", []) if one["name"] == "course_run"]
            assert all("pattern" in json.dumps(schema) for schema in keys), (method, path)


def test_every_body_documents_the_form_of_a_course_runs_key() -> None:
    bodies = [
        call["requestBody"]["content"]["application/json"]["schema"]
        for calls in document()["paths"].values()
        for call in calls.values()
        if "requestBody" in call
    ]
    names = {schema["$ref"].rpartition("/")[2] for schema in bodies if "$ref" in schema}
    fields = [
        field
        for name in names
        for key, field in document()["components"]["schemas"][name]["properties"].items()
        if key in {"course_run", "course_runs"}
    ]
    assert len(fields) > 5
    assert all("pattern" in json.dumps(field) for field in fields)

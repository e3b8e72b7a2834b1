"""Requests that programs read differently, or that nobody can read: refused by the field, no fault of the service."""

import json
import string
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from localcloud.http_api import HttpResponse
from tests.scenes.scene import Learner, Scene
from tests.scenes.support_client import Client, about, document, reported

pytestmark = pytest.mark.filterwarnings("ignore:No application metrics to publish")

CASE: dict[str, Any] = {"learner_id": 7, "course_run": "course-v1:A+B+C", "reason": "ticket 12"}
BODIES: dict[str, dict[str, Any]] = {
    "/v1/case/act": {**CASE, "act": "redecide", "version": 3},
    "/v1/case/preview": {**CASE, "act": "redecide", "version": 3},
    "/v1/case/what-if": {"learner_id": 7, "course_run": "course-v1:A+B+C", "changes": ["pass"], "events": []},
    "/v1/held/discard": {"course_run": "course-v1:A+B+C", "learners": [7], "reason": "ticket 12"},
    "/v1/automatic-revocations/stop": {"course_run": None, "reason": "ticket 12"},
    "/v1/revocations": {"act": "release", "course_run": "course-v1:A+B+C", "learners": [7], "reason": "void"},
    "/v1/regenerations": {
        "course_runs": ["course-v1:A+B+C"],
        "reason": "ticket 12",
        "statuses": ["downloadable"],
        "learners": [7],
        "dry_run": True,
        "as_if": "live",
        "concurrency": 2,
        "records_per_second": 9,
        "approval_seconds": 60,
    },
    "/v1/rollout/shadow": {
        "course_runs": ["course-v1:A+B+C"],
        "reason": "ticket 12",
        "comparison": "x",
        "accept_revocations": 1,
        "accept_withheld": 1,
        "accept_not_compared": 1,
    },
}
NUMBERS = {"learner_id", "version", "learners", "concurrency", "records_per_second", "approval_seconds"}
HEADERS = {"Content_Type": "application/json", "Idempotency_Key": "a-key-of-mine"}


def posted(client: Client, path: str, body: bytes, **headers: str) -> HttpResponse:
    return client.ask("POST", path, body, **{**HEADERS, **headers})


@pytest.mark.parametrize(
    ("path", "field"), [(path, field) for path, body in BODIES.items() for field in body], ids=lambda part: part
)
def test_a_value_of_another_type_is_refused_by_its_field(support_client: Client, path: str, field: str) -> None:
    is_number = field in NUMBERS or field.startswith("accept_")
    odd = [True, "7", 7.5, -1, 2**63, 10**400, {}, [None]] if is_number else [7, {}, [None], True]
    for value in odd:
        if field == "dry_run" and value is True:
            continue
        written = [value] if field == "learners" else value
        answer = reported(posted(support_client, path, json.dumps({**BODIES[path], field: written}).encode()))
        assert (answer.status, answer.headers["content-type"]) == (422, "application/problem+json"), (
            value,
            answer.body,
        )
        assert answer.body["field"].startswith(field), (value, answer.body)
        assert answer.body["fix"], value


@pytest.mark.parametrize(
    ("path", "field"),
    [
        (path, field)
        for path in BODIES
        for field in document()["components"]["schemas"][
            document()["paths"][path.replace("/stop", "/{switch}").replace("/shadow", "/{setting}")]["post"][
                "requestBody"
            ]["content"]["application/json"]["schema"]["$ref"].rpartition("/")[2]
        ]["required"]
    ],
    ids=lambda part: part,
)
def test_a_field_that_is_missing_is_refused_by_its_name(support_client: Client, path: str, field: str) -> None:
    body = {name: value for name, value in BODIES[path].items() if name != field}
    answer = reported(posted(support_client, path, json.dumps(body).encode()))
    assert (answer.status, answer.body["field"]) == (422, field)


def test_an_act_names_the_version_that_was_seen_or_accepts_any(
    scene: Scene, learner: Learner, support_client: Client
) -> None:
    scene.ingest(*learner.qualifying())
    body = {**CASE, **about(learner), "act": "redecide"}
    refused = support_client.post("/v1/case/act", **body)
    assert (refused.status, refused.body["field"]) == (422, "version")
    seen = support_client.post("/v1/case/preview", **body).body["version"]
    assert support_client.post("/v1/case/act", **body, version=seen + 1).status == 409
    assert support_client.post("/v1/case/act", **body, version=seen).status == 202
    assert support_client.post("/v1/case/act", **body, version=None).status == 202


@pytest.mark.parametrize(
    "kind",
    [
        "",
        "text/plain",
        "application/jsonp",
        "application/json-patch+json",
        "application/x-www-form-urlencoded",
        "multipart/form-data",
        "multipart/form-data; boundary=x",
        ";",
        "application/octet-stream; application/json",
    ],
)
def test_another_media_type_is_refused(support_client: Client, kind: str) -> None:
    for path, body in BODIES.items():
        for content in (json.dumps(body).encode(), b"", b"\xff", b"--x\r\n\r\n--x--"):
            answer = reported(posted(support_client, path, content, Content_Type=kind))
            assert (answer.status, answer.headers["content-type"]) == (415, "application/problem+json"), path


def test_json_is_json_in_capitals_and_with_a_charset(support_client: Client) -> None:
    for kind in ("application/json; charset=utf-8", "Application/JSON", " application/json ;x=y"):
        body = json.dumps({**BODIES["/v1/case/preview"], "version": None}).encode()
        answer = posted(support_client, "/v1/case/preview", body, Content_Type=kind)
        assert answer.status == 404, kind  # nothing is known of the case


@pytest.mark.parametrize(
    "body",
    [
        '{"learner_id": %s}' % ("9" * 5000),
        '{"learner_id": 1e999}',
        '{"learner_id": Infinity}',
        '{"reason": "\\ud800"}',
        '{"\\udfff": 1}',
        '{"act": "lift", "act": "invalidate"}',
        '{"events": [{"a": {"b": 1, "b": 2}}]}',
        "7",
        "[]",
        '"text"',
        "null",
        "{} {}",
        "\ufeff{}",
    ],
    ids=lambda body: body[:30],
)
def test_json_that_programs_read_differently_is_refused(support_client: Client, body: str) -> None:
    for path in BODIES:
        answer = reported(posted(support_client, path, body.encode(errors="surrogatepass")))
        assert (answer.status, answer.headers["content-type"]) == (422, "application/problem+json"), path


@pytest.mark.parametrize("written", ["1.0", "1e3", "+1", "1_0", " 1", "٣", "true", "0x1", "", "9" * 30])
def test_a_number_in_an_address_is_written_in_digits(support_client: Client, written: str) -> None:
    answer = support_client.get("/v1/case", learner_id=written, course_run="course-v1:A+B+C")
    assert (answer.status, answer.body["field"]) == (422, "learner_id")
    answer = support_client.get("/v1/regenerations/x/report", start=written)
    assert (answer.status, answer.body["field"]) == (422, "start")


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    path=st.sampled_from(sorted(BODIES)),
    more=st.dictionaries(st.sampled_from(string.ascii_letters), _JSON),
    data=st.data(),
)
def test_no_body_is_a_fault_of_the_service(
    scene: Scene, support_client: Client, path: str, more: dict[str, Any], data: st.DataObject
) -> None:
    assert scene is support_client.scene
    field = data.draw(st.sampled_from(sorted(BODIES[path])))
    body = {**BODIES[path], field: data.draw(_JSON), **more}
    answer = reported(posted(support_client, path, json.dumps(body).encode(errors="surrogatepass")))
    assert answer.status in {201, 202, 404, 409, 415, 422, 200}, answer.body


# --- tokens


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("", "missing or empty"),
        ("  ", "missing or empty"),
        ("system:breaker", "names software"),
        (" System:breaker", "names software"),
        ("\uff53ystem:breaker", "names software"),
        ("a" * 256, "has 256 characters"),
        ("ada\x1b[2J", "control characters"),
        ("ada\u202e", "control characters"),
        ("ada\nbob", "control characters"),
    ],
)
def test_a_token_that_names_no_person_gets_a_problem_and_a_page_with_the_reason(
    scene: Scene, name: str, why: str, caplog: pytest.LogCaptureFixture
) -> None:
    odd = Client(scene, name)
    for path in ("/v1/learners/7", "/v1/revocations"):
        answer = odd.get(path)
        assert (answer.status, answer.body["title"]) == (403, "the token names no person")
        assert why in answer.body["fix"]
    for path in ("/", "/case?learner_id=7&course_run=a/b/c", "/nowhere"):
        page = reported(odd.ask("GET", path))
        assert page.status in {403, 404}
        assert "That did not work" in page.body
        assert name.strip() == "" or name not in page.body
    assert odd.post("/v1/case/act", **BODIES["/v1/case/act"]).status == 403
    assert {vars(line)["actor"] for line in caplog.records if line.getMessage() == "audit"} == {"(names no person)"}


@pytest.mark.parametrize(
    "context", [{}, {"authorizer": None}, {"authorizer": {"jwt": None}}, {"authorizer": {"jwt": {}}}]
)
def test_a_request_without_a_token_is_refused_should_the_gateway_let_it_through(
    scene: Scene, context: dict[str, Any]
) -> None:
    for path in ("/v1/learners/7", "/"):
        event: dict[str, Any] = {"version": "2.0", "rawPath": path, "headers": None}
        event["requestContext"] = {"http": {"method": "GET", "path": path}, "stage": "$default", **context}
        assert scene.cloud.invoke("SupportFunction", event)["statusCode"] == 403

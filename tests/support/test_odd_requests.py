"""Odd media types, versions and actors are refused with the field and the way out; none is a fault of the service."""

import base64
from typing import Any

import pytest

from tests.scenes.scene import Learner, Scene
from tests.scenes.support_client import Client, about

pytestmark = pytest.mark.filterwarnings("ignore:No application metrics to publish")

KINDS = [
    "multipart/form-data",
    "multipart/form-data; boundary=",
    "multipart/form-data; boundary=x",
    "multipart/mixed",
    "application/x-www-form-urlencoded; charset=nothing",
    "text/plain",
    ";",
    "\u00e9",
    "application/json; charset=utf-7",
    "application/json;;;",
    "",
]

BODIES = [b"", b"\xff\xfe", b"--x\r\n", b"act=invalidate&version=%ff", b"{}", b"[]", b'{"act": "invalidate"}']

ACTORS: list[Any] = [
    "",
    " ",
    "\n",
    "a\u0000b",
    "\ud800",
    "x" * 256,
    "x" * 255,
    "#",
    "a#b",
    "'\";--",
    "../..",
    7,
    1.5,
    True,
    None,
    [],
    {},
    ["ada"],
    {"a": "b"},
    "system:breaker",
    "\u202eada",
    "\u00e9" * 255,
    "\U0001f600" * 255,
    "{{ 7*7 }}",
    "%s",
    "-",
    "*",
]

PATHS = ["/v1/case/act", "/v1/revocations", "/preview", "/act", "/course-run/act", "/regenerations/start", "/lists/act"]


def request(path: str, body: bytes, claims: dict[str, Any], **headers: str) -> dict[str, Any]:
    """Return a request as API Gateway hands it on, its body encoded as that of a media type it doesn't know."""
    return {
        "version": "2.0",
        "rawPath": path,
        "rawQueryString": "",
        "headers": {"sec-fetch-site": "same-origin", **headers},
        "body": base64.b64encode(body).decode(),
        "isBase64Encoded": True,
        "requestContext": {
            "http": {"method": "POST", "path": path},
            "stage": "$default",
            "authorizer": {"jwt": {"claims": claims}},
        },
    }


EVERYTHING = " ".join(f"certificates/{scope}" for scope in ("view", "act", "revoke", "approve"))


@pytest.mark.parametrize("path", PATHS)
def test_no_media_type_and_no_body_is_a_fault_of_the_service(scene: Scene, path: str) -> None:
    claims = {"sub": "ada", "scope": EVERYTHING}
    for kind in KINDS:
        for body in BODIES:
            event = request(path, body, claims, **{"content-type": kind, "idempotency-key": "a-key-of-mine"})
            answer = scene.cloud.invoke("SupportFunction", event)
            assert answer["statusCode"] in {404, 409, 415, 422}, (kind, body, answer)
            without = {name: value for name, value in event["headers"].items() if name != "content-type"}
            answer = scene.cloud.invoke("SupportFunction", {**event, "headers": without})
            assert answer["statusCode"] in {404, 409, 415, 422}, (body, answer)


@pytest.mark.parametrize("actor", ACTORS, ids=repr)
def test_an_odd_actor_is_refused_or_acts_as_itself(scene: Scene, learner: Learner, actor: Any) -> None:
    scene.ingest(*learner.qualifying())
    fields = f"act=redecide&reason=ticket+12&version=1&key=a-key-of-mine&learner_id={learner.learner_id}"
    body = f"{fields}&course_run={learner.course_run.replace('+', '%2B')}".encode()
    claims = {"sub": actor, "scope": EVERYTHING}
    for path in ("/preview", "/act"):
        answer = scene.cloud.invoke("SupportFunction", request(path, body, claims))
        assert answer["statusCode"] in {200, 303, 403, 409}, answer


@pytest.mark.parametrize("version", ["", "x", "-1", "1.5", "9" * 40, "\u00b2", "null", "0x1", "1e3"])
def test_an_odd_version_is_refused_with_the_way_out(scene: Scene, learner: Learner, version: str) -> None:
    scene.ingest(*learner.qualifying())
    fields = {"act": "redecide", "reason": "ticket 12", "key": "a-key-of-mine", "version": version, **about(learner)}
    answer = Client(scene).form("/act", **fields)
    assert (answer.status, "choose the act there" in answer.body) == (422, True)

"""What the one search answers, and what it opens."""

from typing import Any

from tests.scenes.support_client import Client


def found(client: Client, text: str) -> Any:
    """Return the API's answer to a text."""
    answer = client.get("/v1/find", q=text)
    assert answer.status == 200, answer.body
    return answer.body


def opened(client: Client, text: str) -> Any:
    """Return what a text opens, by its kind, learner and course run; the page goes there."""
    hit = found(client, text)["opens"]
    assert hit is not None, found(client, text)
    page = client.form("/find", q=text)
    assert (page.status, page.headers["location"]) == (303, hit["path"])
    assert client.ask("GET", hit["path"]).status == 200
    return hit["kind"], hit["learner_id"], hit["course_run"]

"""The one search: at the API, and in the field that every page has."""

from http import HTTPStatus
from typing import Annotated, Any
from urllib.parse import urlencode

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.params import Query

from application import ABOUT, app
from certrules.formats.search_text import MOST_READ
from certrules.support.search import find
from certrules.support.search_hits import Found, Hit
from openapi import call
from pages import form, page, query
from search_answers import FoundAnything

_EXAMPLE = "86 course-v1:DemoX+CS101+2026_T1"


@app.get("/v1/find", summary="Find anything: what a text means, and what there is of it", **call(FoundAnything))
def find_anything(
    q: Annotated[str, Query(max_length=MOST_READ, description="Any text or address.", examples=[_EXAMPLE])] = "",
) -> dict[str, Any]:
    """Return how a text was read, and what fits. `opens` is the one thing that it means, if there is one."""
    found = found_for(q)
    return {
        "understood": found.understood,
        "opens": None if found.opens is None else _shown(found.opens),
        "hits": [_shown(hit) for hit in found.hits],
        "contradiction": found.contradiction,
        "further": found.further,
        "left": found.left,
    }


@app.get("/find", include_in_schema=False)
def find_page() -> Response[str]:
    """Open what an address of this page names, for links and bookmarks."""
    return answered(query("q"))


@app.post("/find", include_in_schema=False)
def find_form() -> Response[str]:
    """Open what a text means, or list what it may mean. The text is in the body, so that no address has an e-mail."""
    return answered(form().get("q", ""))


def answered(text: str) -> Response[str]:
    """Return the way to the one hit, or the page of several or none."""
    found = found_for(text)
    if found.opens is not None:
        return Response(HTTPStatus.SEE_OTHER, "text/plain", "", headers={"Location": path_of(found.opens)})
    return page("found.html", found=found, sought=text[:MOST_READ], path_of=path_of)


def found_for(text: str) -> Found:
    """Return what a text means. The audit log names learners by their ids, never what was looked for."""
    found = find(text)
    if learner_ids := sorted({hit.learner_id for hit in found.hits if hit.learner_id is not None}):
        ABOUT["learner_ids"] = learner_ids
    return found


def path_of(hit: Hit) -> str:
    """Return the page of a hit."""
    by_kind: dict[str, tuple[str, dict[str, object]]] = {
        "case": ("/case", {"learner_id": hit.learner_id, "course_run": hit.course_run}),
        "learner": ("/learner", {"learner_id": hit.learner_id}),
        "course_run": ("/course-run", {"course_run": hit.course_run}),
        "program": ("/learner", {"learner_id": hit.learner_id}),
        "revocation": ("/revocations", {"id": hit.id}),
        "bulk_run": ("/regeneration", {"id": hit.id}),
    }
    path, fields = by_kind[hit.kind]
    return f"{path}?{urlencode(fields)}{'#programs' if hit.kind == 'program' else ''}"


def _shown(hit: Hit) -> dict[str, Any]:
    return {**hit._asdict(), "path": path_of(hit)}

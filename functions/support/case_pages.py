"""The console's page of a case, and of what changes would come to."""

from typing import Any, NamedTuple

from aws_lambda_powertools.event_handler import Response

from application import CERTIFICATE_URL, CONSUMER_DEAD_LETTERS, POLICIES, app, pair_of, scopes
from audit_calls import as_json
from certrules import audit, aws
from certrules.core.explain import what_if
from certrules.support import acts, cases
from certrules.support import entries as history
from certrules.support.acts import ACTS
from certrules.support.catalogue import languages
from certrules.support.learners import usernames_of
from certrules.support.story import story_of
from certrules.support.visibility import visibility_of
from pages import instant, number, page, query
from reply_calls import reply_to_colleague_of, reply_to_learner_of
from zones import zone_of_reader


@app.get("/case", include_in_schema=False)
def case_page() -> Response[str]:
    """Return a case, now or as of an instant; its history may be filtered by a kind."""
    as_of, kind = instant(query("as_of"), "as_of"), query("show")
    found, now = cases.open_case(pair_of(number(query("learner_id")), query("course_run")), POLICIES), aws.now()
    view = cases.view_of(found, as_of, now)
    body = cases.case_as_json(view, CERTIFICATE_URL, CONSUMER_DEAD_LETTERS)
    changes = what_if.possible_changes(found.record, POLICIES, as_of or now)
    acts = offered(found) if as_of is None else {}
    helpful = {_BY_CHANGE.get(change["code"]) for way in body["counterfactuals"] for change in way}
    entries = history.entries_of(view.explanation, view.published, body["record"])
    return page(
        "case.html",
        case=body,
        usernames=usernames_of([found.pair.learner_id]),
        problems=problems_of(body),
        visibility=visibility_of(view.explanation),
        story=story_of(found.record.timeline, view.explanation, view.published),
        entries=entries,
        kinds=history.KINDS,
        counts=history.counts_of(entries),
        kind=kind if kind in history.KINDS else "",
        as_of=as_of,
        acts=acts,
        suggested=[name for name in acts if name in {*helpful, "release", "discard"}],
        chosen=query("act"),
        changes=[change for change in changes if not change.code.startswith("reset_exam")],
        reply=reply_of(view),
        noted=as_json(audit.about_case(*found.pair), aws.now()),
    )


class Reply(NamedTuple):
    """The replies for the ticket, and how the learner's is written."""

    learner: str
    colleague: str
    language: str
    zone: str
    languages: dict[str, str]


def reply_of(view: cases.View) -> Reply:
    """Return the replies of a case, in the language of the query, and at the reader's time."""
    language, zone = query("language") or "en", query("zone") or zone_of_reader() or "UTC"
    learner = reply_to_learner_of(view, language, zone)
    return Reply(learner, reply_to_colleague_of(view), language, zone, languages())


class Problem(NamedTuple):
    """What is wrong, and what to do about it."""

    finding: dict[str, Any] | None  # the rule that is unmet; None: a revocation is pending
    steps: list[str]


def problems_of(case: dict[str, Any]) -> list[Problem]:
    """Return the rules that are unmet, each with who can do what; and what to do about a pending revocation."""
    steps = {step["reason"]: step["sentence"] for step in case["next_steps"]}
    unmet = [finding for finding in case["verdicts"] if finding["verdict"] == "unmet"]
    found = [Problem(finding, [steps.pop(finding["code"])] if finding["code"] in steps else []) for finding in unmet]
    return [*([Problem(None, [*steps.values()])] if steps else []), *found]


_BY_CHANGE = {"allowlist": "allowlist-add", "lift_invalidation": "lift"}
"""The acts by which support brings about a change that would help."""


def offered(case: cases.Case) -> dict[str, acts.Act]:
    """Return the acts that are accepted in a case, make sense there, and that the person may do."""
    pointless = {"date-set": case.published.certificate is None}
    return {
        name: act
        for name, act in ACTS.items()
        if act.scope in scopes() and not pointless.get(name) and acts.is_accepted(case, name)
    }


@app.get("/what-if", include_in_schema=False)
def what_if_page() -> Response[str]:
    """Return the outcome of a case after some changes, now or as of an instant; nothing is stored."""
    as_of = instant(query("as_of"), "as_of")
    found = cases.open_case(pair_of(number(query("learner_id")), query("course_run")), POLICIES)
    codes = query("change").split(",")
    outcome = cases.what_if(found, [code for code in codes if code], [], aws.now(), as_of)
    usernames = usernames_of([found.pair.learner_id])
    return page("what_if.html", pair=found.pair, outcome=outcome, as_of=as_of, usernames=usernames)

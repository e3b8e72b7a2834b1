"""The same rules in two rule engines, each in the quickest way that its documentation has."""

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any, cast

import celpy
import zen
from celpy.adapter import json_to_cel

from certrules.core.facts import Facts

type Engine = Callable[[Any], list[str]]
"""Takes the facts in the engine's form, and returns the codes of the unmet rules."""

_NEEDS_ID = "(id_required && (mode in no_id_modes) == no_id_all_but)"

#: When a rule is unmet, in CEL. ZEN has the same, with its own names for && and ||.
UNMET: Mapping[str, str] = {
    "not_enrolled": "mode == null",
    "mode_not_eligible": "mode != null && (mode in modes) == modes_all_but",
    "id_not_verified": f"!verified && !expired && {_NEEDS_ID}",
    "id_verification_expired": f"expired && {_NEEDS_ID}",
    "invalidated": "invalidated",
    "web_certificates_off_instance": "!instance_web",
    "web_certificates_off_course_run": "known && !web",
    "course_run_unknown": "!known",
    "no_grade": "passed == null && !listed",
    "not_passed": "passed == false && !listed",
    "beta_tester": "beta_tester && !listed",
    "ccx": "ccx && !listed",
}


def plain(facts: Facts) -> dict[str, Any]:
    """Return the facts in JSON's form, with the policy's results for them."""
    policy = facts.policy
    return {
        "mode": facts.mode,
        "modes": sorted(policy.eligible_modes.names),
        "modes_all_but": policy.eligible_modes.all_but,
        "id_required": policy.id_verification_required,
        "no_id_modes": sorted(policy.modes_without_id_verification.names),
        "no_id_all_but": policy.modes_without_id_verification.all_but,
        "verified": facts.id_verified,
        "expired": facts.id_verification_expired,
        "invalidated": bool(facts.invalidations),
        "instance_web": policy.web_certificates,
        "web": facts.web_certificates,
        "known": facts.course_run_known,
        "passed": facts.passed,
        "beta_tester": facts.beta_tester,
        "listed": facts.allowlisted,
        "ccx": facts.ccx,
    }


def _in_zen(condition: str) -> str:
    return condition.replace("&&", "and").replace("!=", "≠").replace("!", "not ").replace("≠", "!=")


def zen_expression() -> Engine:
    """Return the rules as one compiled ZEN expression. It takes plain facts."""
    terms = ", ".join(f"({_in_zen(condition)}) ? '{code}' : null" for code, condition in UNMET.items())
    evaluate = zen.compile_expression(f"filter([{terms}], # != null)").evaluate
    return cast("Engine", evaluate)


def zen_table() -> Engine:
    """Return the rules as a ZEN decision table, a row each, all rows that hit collected. It takes plain facts."""
    rows = [{"_id": code, "if": _in_zen(text), "then": f"'{code}'"} for code, text in UNMET.items()]
    content = {
        "hitPolicy": "collect",
        "inputs": [{"id": "if", "name": "if"}],
        "outputs": [{"id": "then", "name": "reason", "field": "reason"}],
        "rules": rows,
    }
    graph = {
        "nodes": [
            {"id": "facts", "name": "facts", "type": "inputNode"},
            {"id": "rules", "name": "rules", "type": "decisionTableNode", "content": content},
            {"id": "reasons", "name": "reasons", "type": "outputNode"},
        ],
        "edges": [
            {"id": "in", "sourceId": "facts", "targetId": "rules", "type": "edge"},
            {"id": "out", "sourceId": "rules", "targetId": "reasons", "type": "edge"},
        ],
    }
    evaluate = zen.ZenEngine().create_decision(json.dumps(graph)).evaluate
    return lambda context: [hit["reason"] for hit in evaluate(context)["result"]]


def cel() -> Engine:
    """Return the rules as one CEL program, compiled to Python. It takes the facts as `cel_facts` has them."""
    terms = " + ".join(f'(({condition}) ? ["{code}"] : [])' for code, condition in UNMET.items())
    environment = celpy.Environment(runner_class=celpy.CompiledRunner)
    evaluate = environment.program(environment.compile(terms)).evaluate
    return lambda context: [str(code) for code in cast("Iterable[object]", evaluate(context))]


def cel_facts(facts: Facts) -> Any:
    """Return the facts in CEL's own types."""
    return json_to_cel(plain(facts))

"""Cases of the YAML files."""

from typing import Any

from certrules.core.policy import Policies, read_policies
from tests.scenes.phrases import QUALIFYING, instant


def facts_of(case: dict[str, Any]) -> list[tuple[str, str]]:
    """Return what was received: of a qualifying learner, but for what is unlike one, and what came then."""
    unlike = case.get("unlike", {})
    assert unlike.keys() <= QUALIFYING.keys()
    facts = []
    for name, (at, phrase) in QUALIFYING.items():
        instead = unlike.get(name, phrase)
        if instead is not None:
            facts.append((at, instead))
    for item in case.get("then", []):
        facts += [(at, phrase) for at, phrases in item.items() for phrase in _listed(phrases)]
    return facts


def _listed(phrases: str | list[str]) -> list[str]:
    return phrases if isinstance(phrases, list) else [phrases]


def policies_of(source: object) -> Policies:
    if isinstance(source, str):
        return read_policies({"preset": source})
    if isinstance(source, list):
        source = [item | {"since": instant(item["since"]).isoformat()} for item in source]
    return read_policies(source)

"""Short ways to the explanations of a record."""

from collections.abc import Iterator
from typing import Any

from certrules.core.explain import explanation as explaining
from certrules.core.explain.explanation import Explanation
from certrules.core.explain.what_if import PossibleChange, counterfactuals
from certrules.core.facts import Record
from certrules.core.guard import PublishedCertificate, next_publication
from certrules.core.policy import DEFAULT, PRESETS, Policies, undated
from certrules.core.replay import replay
from certrules.core.rules import RULES
from tests.scenes.phrases import instant

RULES_BY_CODE = {rule.code: rule for rule in RULES}
EDX = undated(DEFAULT)
OPEN_EDX_IDV = undated(PRESETS["open-edx-idv"])
EARNED = "The certificate has been downloadable since 3 January 2026 at 00:00 UTC because all requirements were met"


def explained(record: Record, as_of: str = "day 9", policies: Policies = EDX) -> Explanation:
    return explaining.explain(record, policies, instant(as_of))


def wanted(record: Record, policies: Policies = EDX) -> list[list[str]]:
    """Return the codes of each smallest set of changes on day 9."""
    return [[change.code for change in changes] for changes in counterfactuals(record, policies, instant("day 9"))]


def published(record: Record, as_of: str = "day 9") -> PublishedCertificate:
    return next_publication(PublishedCertificate(), replay(record, EDX, instant(as_of)), "c-1").published


def sentences(value: Any) -> Iterator[str]:
    """Return every sentence of an explanation or a difference."""
    if isinstance(value, PossibleChange):
        yield value.sentence
    elif isinstance(value, tuple):
        fields = getattr(value, "_fields", ())
        for position, item in enumerate(value):
            if fields and fields[position] == "sentence":
                yield item
            yield from sentences(item)

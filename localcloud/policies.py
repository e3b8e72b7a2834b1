"""Statements of IAM policies, evaluated as AWS does: those of roles, and those of resources."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from localcloud.template import UnsupportedTemplateError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

Json = dict[str, Any]
Context = dict[str, tuple[str, ...]]
"""The condition keys of a request, in lower case, with their values."""


def like(value: str, pattern: str) -> bool:
    """Whether a value fits a pattern, in which `*` stands for any text and `?` for any character."""
    return fnmatchcase(value, pattern.replace("[", "[[]"))


def _arn_like(value: str, pattern: str) -> bool:
    """Whether an ARN fits a pattern, each of the six parts for itself."""
    parts, patterns = value.split(":", 5), pattern.split(":", 5)
    return len(parts) == len(patterns) and all(map(like, parts, patterns))


_OPERATORS: Mapping[str, Callable[[str, str], bool]] = {
    "ArnEquals": _arn_like,
    "ArnLike": _arn_like,
    "Bool": lambda value, wanted: value.lower() == wanted.lower(),
    "StringEquals": lambda value, wanted: value == wanted,
    "StringLike": like,
}
_NEGATED = {
    "ArnNotEquals": "ArnEquals",
    "ArnNotLike": "ArnLike",
    "StringNotEquals": "StringEquals",
    "StringNotLike": "StringLike",
}
_SETS = {"", "ForAllValues", "ForAnyValue"}


def checked(statements: Iterable[Json], where: str) -> list[Json]:
    """Return statements as they are. Raises UnsupportedTemplateError for a condition that can't be evaluated here."""
    found = list(statements)
    for statement in found:
        for operator in statement.get("Condition", {}):
            each, name = _parts(operator)
            if each not in _SETS or name not in {*_OPERATORS, *_NEGATED}:
                raise UnsupportedTemplateError(f"{where}: the condition {operator} isn't evaluated")
    return found


def holds(statement: Json, context: Context) -> bool:
    """Whether all conditions of a statement hold for a request."""
    return all(
        _holds(operator, [str(value) for value in listed(wanted)], context.get(key.lower(), ()))
        for operator, condition in statement.get("Condition", {}).items()
        for key, wanted in condition.items()
    )


def _holds(operator: str, wanted: list[str], values: tuple[str, ...]) -> bool:
    each, name = _parts(operator)
    if not values:  # a key that the request doesn't have
        return each == "ForAllValues" or operator.endswith("IfExists") or (not each and name in _NEGATED)
    test = _OPERATORS[_NEGATED.get(name, name)]
    met = [any(test(value, one) for one in wanted) is not (name in _NEGATED) for value in values]
    return any(met) if each == "ForAnyValue" else all(met)


def _parts(operator: str) -> tuple[str, str]:
    """Return for which of several values an operator is to hold ("" for one value), and its name."""
    each, _, name = operator.rpartition(":")
    return each, name.removesuffix("IfExists")


def is_about(statement: Json, action: str, resource: str) -> bool:
    """Whether a statement is about an action on a resource: an ARN, its last part, or "" for any."""
    return any(like(action.lower(), one.lower()) for one in listed(statement["Action"])) and any(
        _names(arn, resource) for arn in listed(statement["Resource"])
    )


def _names(arn: str, resource: str) -> bool:
    request = resource.split(":", 5)[-1] if resource.startswith("arn:") else resource
    return not request or like(request, arn.split(":", 5)[-1])


def is_of(statement: Json, principal: str) -> bool:
    """Whether a statement of a resource's policy is about a principal (an ARN)."""
    return any(one in {"*", principal, _account(principal)} for one in _principals(statement["Principal"]))


def _principals(principal: Any) -> Iterator[str]:
    for one in [principal] if isinstance(principal, str) else listed(principal.get("AWS", [])):
        yield _account(one) if one.endswith(":root") else str(one)


def _account(arn: str) -> str:
    return arn.split(":")[4]


def listed(one_or_more: Any) -> list[Any]:
    """Return what IAM takes as one or as a list."""
    return one_or_more if isinstance(one_or_more, list) else [one_or_more]

"""Policy: which modes are eligible, who must be ID-verified, how long a revocation is held. Versioned and dated."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, NamedTuple, cast, override

from certrules.core.instants import BEGINNING
from certrules.core.letters import STUDIO_LETTERS, letter_key, names_no_pass
from certrules.core.terms import described, is_nothing, mode_of

MAX_SPAN = timedelta(days=365)
MOST_NAMES = 50  # of modes, and of letters
LONGEST_NAME = 50  # characters
MOST_REVOCATIONS = 10_000  # each is remembered for as long as the breaker's window


@dataclass(frozen=True, slots=True)
class Modes:
    """A set of enrollment modes: these, or every mode but these."""

    names: frozenset[str]
    all_but: bool = False

    def __contains__(self, mode: object) -> bool:
        """Whether the mode is in the set. A spelling of nothing is in none."""
        return (mode in self.names) is not self.all_but and isinstance(mode, str) and not is_nothing(mode)

    @override
    def __repr__(self) -> str:
        """Write the same text in every process: `merge` orders equal entries by it."""
        return f"Modes({sorted(self.names)}, all_but={self.all_but})"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Policy:
    """The terms that the rules are judged by. Compared by identity: versions name it, see `overridden`."""

    version: str  # stored with each decision
    eligible_modes: Modes
    id_verification_required: bool
    modes_without_id_verification: Modes = Modes(frozenset())
    hold: timedelta = timedelta(hours=1)  # how long a grade must stay failing before it revokes
    web_certificates: bool = True  # for the whole deployment
    breaker_limit: int = 20  # so many automatic revocations take effect in a course run ...
    breaker_window: timedelta = timedelta(days=1)  # ... within this time; the rest are held for a person
    passing_letters: tuple[str, ...] = STUDIO_LETTERS  # letter grades that mean passed, as `letter_key` writes them


class Overrides(NamedTuple):
    """The fields that a course run sets in place of the deployment's policy; None: not set."""

    preset: str | None = None
    eligible_modes: Modes | None = None
    id_verification_required: bool | None = None
    modes_without_id_verification: Modes | None = None
    hold: timedelta | None = None
    breaker_limit: int | None = None
    breaker_window: timedelta | None = None
    passing_letters: tuple[str, ...] | None = None


_SPANS = {"hold_seconds": "hold", "breaker_window_seconds": "breaker_window"}

type Policies = tuple[tuple[datetime, Policy], ...]
"""Policies with the instant (UTC) from which each holds, oldest first. The first holds before its date, too."""

PRESETS: Mapping[str, Policy] = {
    policy.version: policy
    for policy in (
        Policy(
            version="edx-2021",
            eligible_modes=Modes(
                frozenset(
                    {
                        "credit",
                        "executive-education",
                        "masters",
                        "no-id-professional",
                        "paid-bootcamp",
                        "paid-executive-education",
                        "professional",
                        "verified",
                    }
                )
            ),
            id_verification_required=True,
        ),
        Policy(
            version="open-edx",
            eligible_modes=Modes(frozenset({"audit"}), all_but=True),
            id_verification_required=False,
        ),
        Policy(
            version="open-edx-idv",
            eligible_modes=Modes(frozenset({"audit"}), all_but=True),
            id_verification_required=True,
            modes_without_id_verification=Modes(frozenset({"honor", "no-id-professional"})),
        ),
    )
}

DEFAULT = PRESETS["edx-2021"]


class PolicyError(ValueError):
    """A policy can't be read; the message names the field and the fix."""


def undated(policy: Policy) -> Policies:
    """Return the policies of a deployment that only ever had this one."""
    return ((BEGINNING, policy),)


@lru_cache(maxsize=1024)
def overridden(policy: Policy, overrides: Overrides | None) -> Policy:
    """Return the policy of a course run: the deployment's, with the fields that the course run sets.

    The same two give the same object again: policies are compared by identity.
    """
    if overrides is None:
        return policy
    if overrides.preset is not None:
        preset = PRESETS[overrides.preset]
        inherited = ("hold", "web_certificates", "breaker_limit", "breaker_window", "passing_letters")
        policy = replace(preset, **{name: getattr(policy, name) for name in inherited})
    changes: dict[str, Any] = {
        name: value for name, value in overrides._asdict().items() if value is not None and name != "preset"
    }
    if not changes:
        return policy
    return replace(policy, version=f"{policy.version}+course-run", **changes)


def read_overrides(source: object) -> Overrides | None:
    """Read a course run's `policy`: a preset's name, an object of the fields it sets, or null for none.

    Raises PolicyError.
    """
    if source is None:
        return None
    if isinstance(source, str):
        source = {"preset": source}
    known = _read_fields(source, {*Overrides._fields, *_SPANS} - set(_SPANS.values()))
    preset = known.get("preset")
    if preset is not None and preset not in PRESETS:
        message = f"policy.preset: {described(preset)} is no policy; there are {', '.join(PRESETS)}"
        raise PolicyError(message)
    return Overrides(**known)


def read_policies(source: object) -> Policies:
    """Read a policy file's content: one policy, or a list of policies that each have a `since` (ISO 8601, UTC).

    A policy is a preset's name, or an object: `preset` to start from (default `edx-2021`), `version`, and any of
    `eligible_modes`, `id_verification_required`, `modes_without_id_verification`, `hold_seconds`,
    `web_certificates`, `breaker_limit`, `breaker_window_seconds`, `passing_letters`.
    Modes are a list, or {"all_but": [...]}. Raises PolicyError.
    """
    if not isinstance(source, list):
        return undated(_read_policy(source))
    policies: list[tuple[datetime, Policy]] = []
    for position, item in enumerate(source):
        if not isinstance(item, dict) or not isinstance(item.get("since"), str):
            message = f"policy[{position}].since: each policy of a list has one, as in 2026-01-31T00:00:00Z"
            raise PolicyError(message)
        since = _read_instant(item["since"])
        if since is None:
            message = f"policy[{position}].since: {item['since']!r} is not an instant like 2026-01-31T00:00:00Z"
            raise PolicyError(message)
        if any(since == earlier for earlier, _ in policies):
            message = f"policy[{position}].since: two policies can't hold from the same instant, {since}"
            raise PolicyError(message)
        policies.append((since, _read_policy({name: value for name, value in item.items() if name != "since"})))
    if not policies:
        message = "policy: the list is empty; name at least one policy"
        raise PolicyError(message)
    return tuple(sorted(policies, key=lambda dated: dated[0]))


def _read_instant(source: str) -> datetime | None:
    """Read an instant with its time zone, into UTC; None if it isn't one."""
    try:
        instant = datetime.fromisoformat(source)
        return instant.astimezone(UTC) if instant.tzinfo else None
    except (ValueError, OverflowError):
        return None


def _read_policy(source: object) -> Policy:
    if isinstance(source, str):
        source = {"preset": source}
    names = {field.name for field in fields(Policy)} | {"preset", *_SPANS}
    changes = _read_fields(source, names - set(_SPANS.values()))
    preset = changes.pop("preset", DEFAULT.version)
    if preset not in PRESETS:
        message = f"policy.preset: {described(preset)} is no policy; there are {', '.join(PRESETS)}"
        raise PolicyError(message)
    if changes and "version" not in changes:
        changes["version"] = f"{preset}+custom"
    return replace(PRESETS[preset], **changes)


def _read_fields(source: object, names: set[str]) -> dict[str, Any]:
    """Read the named fields of a policy object, strictly; those that are null are left out."""
    if not isinstance(source, dict):
        message = (
            f"policy: {described(source)} is neither a preset's name nor an object; there are {', '.join(PRESETS)}"
        )
        raise PolicyError(message)
    changes: dict[str, Any] = {}
    for name, value in source.items():
        if name not in names:
            shown = f"policy.{name}" if len(name) <= 40 and name.isidentifier() else "policy"
            message = f"{shown}: not a field of a policy; there are {', '.join(sorted(names))}"
            raise PolicyError(message)
        if value is None:
            continue
        if name in _READERS:
            changes[_SPANS.get(name) or name] = _READERS[name](name, value)
        elif name in {"preset", "version"}:
            if not isinstance(value, str) or not value:
                message = f"policy.{name}: expected a name, got {described(value)}"
                raise PolicyError(message)
            changes[name] = value
        elif isinstance(value, bool):
            changes[name] = value
        else:
            message = f"policy.{name}: expected true or false, got {described(value)}"
            raise PolicyError(message)
    return changes


def _read_span(name: str, value: object) -> timedelta:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= MAX_SPAN.total_seconds():
        message = f"policy.{name}: expected seconds from 0 to {int(MAX_SPAN.total_seconds())}, got {described(value)}"
        raise PolicyError(message)
    return timedelta(seconds=value)


def _read_limit(name: str, value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= MOST_REVOCATIONS:
        message = f"policy.{name}: expected a whole number from 0 to {MOST_REVOCATIONS}, got {described(value)}"
        raise PolicyError(message)
    return value


def _read_modes(name: str, value: object) -> Modes:
    all_but = isinstance(value, dict) and set(value) == {"all_but"}
    names = cast("dict[str, object]", value)["all_but"] if all_but else value
    if not isinstance(names, list) or not all(isinstance(mode, str) and mode_of(mode) for mode in names):
        message = f'policy.{name}: expected a list of enrollment modes or {{"all_but": [...]}}, got {described(value)}'
        raise PolicyError(message)
    _refuse_too_many(name, names)
    return Modes(frozenset(map(mode_of, names)), all_but)


def _refuse_too_many(name: str, names: list[str]) -> None:
    """Raise PolicyError for a list with which a few configurations would fill a course run's item."""
    if len(names) > MOST_NAMES or any(len(item) > LONGEST_NAME for item in names):
        message = f"policy.{name}: at most {MOST_NAMES} names of at most {LONGEST_NAME} characters; shorten the list"
        raise PolicyError(message)


def _read_letters(name: str, value: object) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(letter, str) for letter in value):
        message = f'policy.{name}: expected a list of letter grades such as ["Pass", "A"], got {described(value)}'
        raise PolicyError(message)
    _refuse_too_many(name, value)
    failing = [letter for letter in value if names_no_pass(letter)]
    if failing:
        number = value.index(failing[0]) + 1
        message = f"policy.{name}: number {number} of the list can't mean passed: it names no pass; leave it out"
        raise PolicyError(message)
    return tuple(sorted({letter_key(letter) for letter in value}))


_READERS: Mapping[str, Callable[[str, object], object]] = {
    "hold_seconds": _read_span,
    "breaker_window_seconds": _read_span,
    "breaker_limit": _read_limit,
    "eligible_modes": _read_modes,
    "modes_without_id_verification": _read_modes,
    "passing_letters": _read_letters,
}

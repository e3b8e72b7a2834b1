"""The stack's parameters: the policies, the rollout of course runs that name none, and who may send events."""

import os
from datetime import timedelta
from typing import NamedTuple

import msgspec

from certrules.core.policy import PRESETS, Policies, PolicyError, read_policies
from certrules.core.terms import Rollout
from certrules.formats.senders import TrustedSenders

LONGEST_POLICY = 2400
"""Characters of the stack's parameter Policy: a function's variables may have 4 KB together."""


class PolicyParameters(NamedTuple):
    """The stack's parameters about policy."""

    policy: str = "edx-2021"  # a preset's name, or as JSON one policy or a list of dated ones
    web_certificates: str = "on"  # `on` or `off`; for policies without this field


def policy_parameters() -> PolicyParameters:
    """Return the stack's parameters about policy."""
    names = {"policy": "POLICY", "web_certificates": "WEB_CERTIFICATES"}
    return PolicyParameters(**{field: os.environ[name] for field, name in names.items() if name in os.environ})


def policies(deployed: PolicyParameters | None = None) -> Policies:
    """Return the policies of these terms, or of the stack's parameters (see core.policy.read_policies).

    Raises PolicyError.
    """
    source, web_certificates = deployed or policy_parameters()
    web = {} if web_certificates == "on" else {"web_certificates": False}
    if source in PRESETS:
        return read_policies({"preset": source, "version": source, **web})
    policies = _read_json(source)
    if isinstance(policies, list):
        return read_policies([{**web, **policy} if isinstance(policy, dict) else policy for policy in policies])
    return read_policies({**web, **policies} if isinstance(policies, dict) else policies)


def _read_json(source: str) -> object:
    """Read a policy's text. Raises PolicyError."""
    if len(source) > LONGEST_POLICY:
        raise PolicyError(f"policy: it has {len(source)} characters, more than {LONGEST_POLICY}; start from a preset")
    try:
        policies: object = msgspec.json.decode(source)
    except (msgspec.DecodeError, RecursionError) as error:
        names = ", ".join(PRESETS)
        raise PolicyError(f"policy: {source[:40]!r} is neither a preset ({names}) nor JSON: {error}") from error
    return policies


def default_rollout() -> Rollout:
    """Return the rollout of course runs that name none, by the stack's parameters. Raises ValueError."""
    return Rollout(os.environ.get("ROLLOUT", Rollout.LIVE))


def stores_names() -> bool:
    """Whether usernames and full names are stored and found, by the stack's parameters."""
    return os.environ.get("LEARNER_NAMES") == "on"


def audit_time() -> timedelta:
    """Return how long an entry of the audit log is stored, by the stack's parameters."""
    return timedelta(days=int(os.environ["AUDIT_DAYS"]))


def trusted_senders() -> TrustedSenders:
    """Return who may send events, by the stack's parameters. Raises KeyError where these are not set."""
    sources, acting, accounts = (
        tuple(name for name in os.environ[variable].split(",") if name)
        for variable in ("PLATFORM_SOURCES", "ACTING_SOURCES", "PLATFORM_ACCOUNTS")
    )
    return TrustedSenders(sources, acting, accounts[0], frozenset(accounts))

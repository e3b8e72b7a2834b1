"""People in events: names and addresses that no program of this service may pass on."""

from typing import Any

SECRET = "Ada-Lovelace@example.org"
"""Stands for all personal data."""

PII = {"username": f"u-{SECRET}", "email": SECRET, "name": f'Ada "}}]\\ {SECRET} é'}


def with_people(value: Any) -> Any:
    """Return an event in which each person has a name and an address, as the platform sends them."""
    if isinstance(value, dict):
        filled = {name: with_people(item) for name, item in value.items()}
        if "pii" in filled:
            filled["pii"] = PII
        return filled | ({"name": SECRET} if isinstance(filled.get("user"), dict) else {})
    return value

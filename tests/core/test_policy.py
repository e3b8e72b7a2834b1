"""Reading a policy: what is accepted, and that what isn't is refused by the field's name with the fix."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from certrules.core.instants import BEGINNING
from certrules.core.policy import (
    DEFAULT,
    MAX_SPAN,
    PRESETS,
    Modes,
    Overrides,
    PolicyError,
    overridden,
    read_overrides,
    read_policies,
    undated,
)


def test_a_policy_names_its_preset_in_its_version() -> None:
    ((since, policy),) = read_policies({"preset": "open-edx", "hold_seconds": 90})
    assert since == BEGINNING
    assert policy.version == "open-edx+custom"
    assert policy.hold == timedelta(seconds=90)
    assert policy.eligible_modes == PRESETS["open-edx"].eligible_modes


def test_a_policy_that_changes_nothing_is_its_preset() -> None:
    ((_, policy),) = read_policies({})
    assert policy.version == DEFAULT.version == "edx-2021"
    assert (policy.eligible_modes, policy.hold) == (DEFAULT.eligible_modes, DEFAULT.hold)


def test_a_presets_name_is_a_policy_too() -> None:
    assert read_policies("open-edx")[0][1].version == "open-edx"


def test_every_field_of_a_policy_can_be_stated() -> None:
    ((_, policy),) = read_policies(
        {
            "version": "ours",
            "eligible_modes": {"all_but": ["audit"]},
            "id_verification_required": True,
            "modes_without_id_verification": ["honor"],
            "hold_seconds": 0,
            "breaker_limit": 7,
            "breaker_window_seconds": 60,
            "web_certificates": False,
        }
    )
    assert policy.version == "ours"
    assert "audit" not in policy.eligible_modes
    assert "anything" in policy.eligible_modes
    assert policy.id_verification_required
    assert policy.modes_without_id_verification == Modes(frozenset({"honor"}))
    assert policy.hold == timedelta(0)
    assert (policy.breaker_limit, policy.breaker_window) == (7, timedelta(minutes=1))
    assert not policy.web_certificates


def test_what_is_null_is_left_to_the_preset() -> None:
    ((_, policy),) = read_policies({"hold_seconds": None, "eligible_modes": None})
    assert policy.version == "edx-2021"


def test_dated_policies_are_put_in_order_and_in_utc() -> None:
    policies = read_policies(
        [
            {"since": "2026-06-01T02:00:00+02:00", "preset": "open-edx"},
            {"since": "2026-01-01T00:00:00Z"},
        ]
    )
    assert [(str(since), policy.version) for since, policy in policies] == [
        ("2026-01-01 00:00:00+00:00", "edx-2021"),
        ("2026-06-01 00:00:00+00:00", "open-edx"),
    ]


@pytest.mark.parametrize(
    ("source", "field", "fix"),
    [
        ("edx-1999", "policy.preset:", "there are edx-2021, open-edx, open-edx-idv"),
        (7, "policy:", "neither a preset's name nor an object"),
        ({"preset": "edx-1999"}, "policy.preset:", "there are edx-2021, open-edx, open-edx-idv"),
        ({"preset": 3}, "policy.preset:", "expected a name"),
        ({"version": ""}, "policy.version:", "expected a name"),
        ({"elegible_modes": []}, "policy.elegible_modes:", "there are breaker_limit, breaker_window_seconds"),
        ({"hold": 3}, "policy.hold:", "hold_seconds"),
        ({"eligible_modes": "verified"}, "policy.eligible_modes:", "a list of enrollment modes"),
        ({"eligible_modes": [""]}, "policy.eligible_modes:", "a list of enrollment modes"),
        ({"eligible_modes": {"but": []}}, "policy.eligible_modes:", '{"all_but": [...]}'),
        (
            {"modes_without_id_verification": [1]},
            "policy.modes_without_id_verification:",
            "a list of enrollment modes",
        ),
        ({"id_verification_required": "yes"}, "policy.id_verification_required:", "true or false"),
        ({"web_certificates": 1}, "policy.web_certificates:", "true or false"),
        ({"breaker_limit": 2.5}, "policy.breaker_limit:", "a whole number from 0 to 10000"),
        ({"breaker_window_seconds": -1}, "policy.breaker_window_seconds:", "seconds from 0 to 31536000"),
        ({"hold_seconds": -1}, "policy.hold_seconds:", "seconds from 0 to 31536000"),
        ({"hold_seconds": True}, "policy.hold_seconds:", "seconds from 0 to"),
        ({"hold_seconds": "1h"}, "policy.hold_seconds:", "seconds from 0 to"),
        ({"hold_seconds": float("nan")}, "policy.hold_seconds:", "seconds from 0 to"),
        ({"hold_seconds": MAX_SPAN.total_seconds() + 1}, "policy.hold_seconds:", "seconds from 0 to"),
        ([], "policy:", "name at least one policy"),
        (["open-edx"], "policy[0].since:", "each policy of a list has one"),
        ([{"preset": "open-edx"}], "policy[0].since:", "each policy of a list has one"),
        ([{"since": "2026-01-01T00:00:00Z"}, {"since": "soon"}], "policy[1].since:", "2026-01-31T00:00:00Z"),
        ([{"since": "2026-01-01"}], "policy[0].since:", "2026-01-31T00:00:00Z"),
        (
            [{"since": "2026-01-01T00:00:00Z"}, {"since": "2026-01-01T01:00:00+01:00"}],
            "policy[1].since:",
            "two policies can't hold from the same instant",
        ),
    ],
)
def test_a_policy_that_cannot_be_read_is_refused_by_field_and_fix(source: Any, field: str, fix: str) -> None:
    with pytest.raises(PolicyError) as refused:
        read_policies(source)
    assert str(refused.value).startswith(field)
    assert fix in str(refused.value)


def test_a_course_run_sets_nothing_or_a_preset_or_some_fields() -> None:
    assert read_overrides(None) is None
    assert read_overrides("open-edx") == Overrides(preset="open-edx")
    assert read_overrides({"hold_seconds": 60}) == Overrides(hold=timedelta(minutes=1))


@pytest.mark.parametrize(
    ("source", "field"),
    [
        ("edx-1999", "policy.preset:"),
        ({"version": "ours"}, "policy.version:"),
        ({"web_certificates": True}, "policy.web_certificates:"),
        (["open-edx"], "policy:"),
    ],
)
def test_a_course_runs_policy_that_cannot_be_read_is_refused_by_field(source: object, field: str) -> None:
    with pytest.raises(PolicyError, match=field):
        read_overrides(source)


def test_a_course_run_without_overrides_has_the_deployments_policy() -> None:
    assert overridden(DEFAULT, None) is DEFAULT


def test_a_course_runs_preset_leaves_the_deployments_hold_and_switch() -> None:
    ((_, policy),) = read_policies({"hold_seconds": 7200, "web_certificates": False})
    run = overridden(policy, Overrides(preset="open-edx"))
    assert run.version == "open-edx"
    assert run.eligible_modes == PRESETS["open-edx"].eligible_modes
    assert (run.hold, run.web_certificates) == (timedelta(hours=2), False)


def test_a_course_runs_fields_are_marked_in_the_version_and_beat_its_preset() -> None:
    run = overridden(DEFAULT, Overrides(preset="open-edx", id_verification_required=True, hold=timedelta(0)))
    assert run.version == "open-edx+course-run"
    assert run.id_verification_required
    assert run.hold == timedelta(0)


def test_the_same_overrides_give_the_very_same_policy() -> None:
    overrides = Overrides(hold=timedelta(minutes=5))
    assert overridden(DEFAULT, overrides) is overridden(DEFAULT, Overrides(hold=timedelta(minutes=5)))


def test_an_undated_policy_holds_from_the_beginning() -> None:
    assert undated(DEFAULT) == ((BEGINNING, DEFAULT),)
    assert datetime.min.replace(tzinfo=UTC) == BEGINNING

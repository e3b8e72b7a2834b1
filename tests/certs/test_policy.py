"""`certs policy check`: a wrong policy is found before it is deployed."""

import json
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from certrules import settings
from certrules.core.policy import PRESETS, PolicyError
from tests.scenes.commands import certs
from tests.scenes.template_expansion import ROOT

FIELDS = ["preset", "version", "since", "hold_seconds", "breaker_limit", "eligible_modes", "passing_letters", "none"]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(FIELDS), inner),
    max_leaves=10,
)


@pytest.mark.parametrize("preset", sorted(PRESETS))
def test_a_preset_is_shown_as_what_it_means(preset: str) -> None:
    (shown,) = json.loads(certs("policy", "check", preset, "--json").stdout)
    assert shown.pop("since") is None
    (_, policy), *none_else = settings.policies(settings.PolicyParameters(json.dumps(shown)))
    assert (policy.version, none_else) == (preset, [])
    assert policy.eligible_modes == PRESETS[preset].eligible_modes
    assert policy.modes_without_id_verification == PRESETS[preset].modes_without_id_verification
    assert policy.hold == PRESETS[preset].hold


def test_a_file_and_its_text_are_the_same(tmp_path: Path) -> None:
    text = '[{"since": "2026-01-01T00:00:00Z", "preset": "open-edx"}, {"since": "2026-02-01T01:00:00+01:00"}]'
    file = tmp_path / "policy.json"
    file.write_text(text)
    shown = certs("policy", "check", file).stdout
    assert certs("policy", "check", text).stdout == shown
    assert "from 2026-01-01T00:00:00+00:00:\n  version: open-edx\n" in shown
    assert "from 2026-02-01T00:00:00+00:00:\n  version: edx-2021\n" in shown


@pytest.mark.parametrize(
    ("source", "complaint"),
    [
        ("open-edxx", "'open-edxx' is no preset (edx-2021, open-edx, open-edx-idv), no JSON, and no file"),
        ("", "no preset"),
        ("x" * 9999, "no preset"),
        ("a\0b", "no preset"),
        ("{", "nor JSON"),
        ('"none"', "policy.preset: a text of 4 characters is no policy"),
        ('{"hold_seconds": -1}', "policy.hold_seconds: expected seconds from 0"),
        ('{"hold_second": 60}', "policy.hold_second: not a field"),
        ("[]", "the list is empty"),
        ('[{"preset": "open-edx"}]', "policy[0].since"),
        ("[" * 2000, "nor JSON"),
        (json.dumps({"passing_letters": ["A" * 2500]}), "characters, more than 2400"),
    ],
)
def test_what_a_deployment_would_refuse_is_refused_with_the_field_and_the_fix(source: str, complaint: str) -> None:
    outcome = certs("policy", "check", source)
    assert outcome.exit_code == 1
    assert complaint in outcome.stderr
    assert len(outcome.stderr) < 400


def test_a_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "policy.json"
    file.write_bytes(b"\xff\xfe{")
    assert "no file that can be read" in certs("policy", "check", file).stderr


@given(JSON.map(json.dumps) | st.text())
def test_any_text_is_a_policy_or_refused_as_none(text: str) -> None:
    with suppress(PolicyError):
        assert settings.policies(settings.PolicyParameters(text))


def test_the_parameter_takes_no_longer_text_than_the_functions_do() -> None:
    assert f"MaxLength: {settings.LONGEST_POLICY} " in (ROOT / "template.yaml").read_text()

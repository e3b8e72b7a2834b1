"""The settings that docs/open-edx.md has people paste are valid, and wrong ones are named."""

import re
from typing import Any

import attr
import pytest
from django.core.exceptions import ImproperlyConfigured
from django.test import override_settings
from openedx_events.apps import OpenedxEventsConfig
from openedx_events.tooling import OpenEdxPublicSignal, load_all_signals

from openedx_course_certificates.options import Options, options
from plugin.tests.both_sides import ROOT

PAGE = (ROOT / "docs" / "open-edx.md").read_text()
BLOCKS = re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


def pasted(block: str) -> dict[str, Any]:
    """Return the settings of a block of the page, as the platform reads them."""
    settings: dict[str, Any] = {"EVENT_BUS_PRODUCER_CONFIG": {}, "OPEN_EDX_FILTERS_CONFIG": {}}
    exec(block, settings)  # noqa: S102 - it is our own page
    return settings


@pytest.mark.usefixtures("database")
@pytest.mark.parametrize("block", BLOCKS, ids=["of the LMS", "of the exams service"])
def test_each_event_type_has_a_signal_and_a_key_that_its_data_has(block: str) -> None:
    load_all_signals()
    config = pasted(block)["EVENT_BUS_PRODUCER_CONFIG"]

    assert config
    for event_type, topics in config.items():
        OpenedxEventsConfig._get_validated_signal_config(None, event_type, topics)
        signal = OpenEdxPublicSignal.get_signal_by_type(event_type)
        for topic in topics.values():
            first, *names = topic["event_key_field"].split(".")
            kind = signal.init_data[first]
            for name in names:
                kind = attr.fields_dict(kind)[name].type


@pytest.mark.usefixtures("database")
def test_the_plugins_own_settings_can_be_pasted() -> None:
    with override_settings(OPENEDX_COURSE_CERTIFICATES=pasted(BLOCKS[0])["OPENEDX_COURSE_CERTIFICATES"]):
        assert options().bus == "certificates-bus"


def test_every_setting_is_documented() -> None:
    table = PAGE.partition("| setting | default |")[2].partition("\n\n")[0]
    documented = re.findall(r"`([A-Z_]+)`", table)
    assert {item.name.upper() for item in attr_fields()} <= set(documented)


def attr_fields() -> Any:
    from dataclasses import fields

    return fields(Options)


@pytest.mark.usefixtures("database")
@pytest.mark.parametrize(
    ("given", "words"),
    [({"BUSS": "b"}, "has no BUSS; it has BUS, REGION"), ({"ROLLOUT": "on"}, "'on', and not one of off"), ([], "dict")],
)
def test_a_wrong_setting_is_named(given: Any, words: str) -> None:
    with pytest.raises(ImproperlyConfigured, match=words), override_settings(OPENEDX_COURSE_CERTIFICATES=given):
        options()

"""Which kill switches stop the loss of a program certificate."""

from collections.abc import Mapping, Sequence

import pytest

from certrules.core.programs.kill_switches import NO_SWITCHES, lost_in
from tests.scenes.phrases import instant
from tests.scenes.programs import certificates_of, switches_of


@pytest.mark.parametrize(
    ("switches", "stopped"),
    [
        ([], False),
        (["day 7 stopped"], True),
        (["day 7 stopped", "day 8 resumed"], False),
        (["b1: day 7 stopped"], True),
        (["a1: day 7 stopped"], False),
        (["b1: day 10 stopped"], False),
    ],
)
def test_the_deployments_stops_every_loss_and_a_course_runs_those_of_its_learners(
    switches: list[str], *, stopped: bool
) -> None:
    assert switches_of({"switch": switches}).stop(["b1", "c1"], instant("day 9")) is stopped


def test_where_nothing_is_set_nothing_is_stopped() -> None:
    assert not NO_SWITCHES.stop(["b1"], instant("day 9"))


@pytest.mark.parametrize(
    ("certificates", "lost"),
    [
        ({}, set()),
        ({"a1": ["day 3 downloadable"], "b1": ["day 3 notpassing"]}, set()),
        ({"a1": ["day 3 downloadable", "day 4 downloadable"], "b1": []}, set()),
        ({"a1": ["day 3 downloadable", "day 8 unavailable"], "b1": ["day 3 downloadable"]}, {"a1"}),
        ({"a1": ["day 2 unverified", "day 3 downloadable", "day 4 notpassing", "day 5 downloadable"]}, {"a1"}),
    ],
)
def test_a_certificate_is_lost_in_a_course_run_that_had_one_and_shows_another_status(
    certificates: Mapping[str, Sequence[str]], lost: set[str]
) -> None:
    assert lost_in(certificates_of({"certificates": certificates})) == lost

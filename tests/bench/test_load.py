"""The load benchmark, made small: it goes on running, and finds what is lost."""

import time

import pytest

from bench import load
from bench.arrivals import BURST, HOT_LEARNER, HOT_RUN, SPREAD, Load


def test_events_arrive_in_order_at_the_asked_rate_the_same_ones_for_a_seed() -> None:
    arrivals = Load(SPREAD, 5_000, 100, seed=1).arrivals(0)
    instants = [arrival.at for arrival in arrivals]
    assert instants == sorted(instants)
    assert instants[-1] == pytest.approx(50, rel=0.2)
    assert arrivals == Load(SPREAD, 5_000, 100, seed=1).arrivals(0)
    assert arrivals != Load(SPREAD, 5_000, 100, seed=2).arrivals(0)


def test_half_of_the_events_arrive_in_bursts() -> None:
    instants = [round(arrival.at, 2) for arrival in Load(SPREAD, 5_000, 1, seed=1).arrivals(0)]
    in_bursts = sum(1 for at in instants if instants.count(at) >= BURST)
    assert in_bursts == pytest.approx(2_500, rel=0.2)


def test_a_hot_learner_has_a_third_of_the_events_and_a_hot_course_run_all() -> None:
    one = Load(HOT_LEARNER, 1_000, None, seed=1)
    share = sum(1 for arrival in one.arrivals(0) if arrival.key[0] == f"L#{one.hot_learner}")
    assert share == pytest.approx(300, rel=0.2)
    other = Load(HOT_RUN, 1_000, None, seed=1)
    keys = {arrival.key for arrival in other.arrivals(0)}
    assert {s for _, s in keys} == {"-", "ID", other.runs[0]}


def test_both_sides_store_every_event_and_the_certificates_are_as_replayed(dynamodb_local: str) -> None:
    with load.bench(dynamodb_local, 2) as sides:
        loads = [Load(SPREAD, 100, 200, seed=1, number=1), Load(HOT_RUN, 110, 200, seed=1, number=2)]
        figures = [sides.measured(each) for each in loads]
        with pytest.raises(load.LostError, match="1 differ"):
            sides.stack.verify(Load(SPREAD, 1, 200, seed=1, number=3).arrivals(time.time()))
    for figure in figures:
        assert len(figure.ours.stored) == len(figure.bare.stored) == figure.load.events
        assert figure.certificates == len(figure.published) > 0
    assert load.markdown(figures).count("\n| ") == 5

"""The bill, made small: what is counted, and what it comes to."""

import tomllib

import pytest

from bench import bill
from bench.bill import MIXES, PRICES, Bill

MOST_FOR_DYNAMODB = 2.07
"""Dollars a million events of which a fifth change a certificate, in batches of ten."""


def test_a_bill_is_what_was_counted_times_the_list_prices() -> None:
    million = 1_000_000
    counted = Bill("", 10, "", million, 2 * million, 0, 0, million, million, 10 * million, million, 1e9)
    prices = tomllib.loads(PRICES.read_text())

    assert counted.dollars(prices) == pytest.approx(
        {"DynamoDB": 0.125 + 1.25, "Lambda": 0.2 + 13.3334, "SQS": 4, "EventBridge": 1, "logs": 0.5}
    )


def test_every_mix_has_the_changes_of_its_name() -> None:
    for mix, share in (("20 % change", 0.2), ("many grades, 5 % change", 0.05), ("quiet, 85 % repeated", 0)):
        events = bill.stories(mix)
        passed = [event for event in events if event.get("course_passing_status")]
        assert len(passed) == share * len(events)
        repeated = len(events) - len({event["metadata"]["id"] for event in events})
        assert repeated == (0.85 * len(events) if share == 0 else 0)
    assert len(MIXES) == 3


def test_a_million_events_cost_less_of_dynamodb_than_the_usual_way(
    dynamodb_local: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bill, "LEARNERS", 10)
    prices = tomllib.loads(PRICES.read_text())

    ours, usual = bill.measured(dynamodb_local, "20 % change", 10)

    assert ours.dollars(prices)["DynamoDB"] <= MOST_FOR_DYNAMODB
    assert ours.dollars(prices)["DynamoDB"] < usual.dollars(prices)["DynamoDB"]

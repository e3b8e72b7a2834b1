"""Requests that botocore compresses are noted as they were meant."""

from datetime import UTC, datetime, timedelta

import boto3
from moto import mock_aws

from tests.scenes.scene import tapped


@mock_aws
def test_the_wire_shows_the_metrics_of_many_minutes() -> None:
    began_at = datetime(2026, 1, 1, tzinfo=UTC)
    metrics = [
        {"MetricName": "Ingested", "Timestamp": began_at + timedelta(minutes=minute), "Value": 1.0, "Unit": "Count"}
        for minute in range(500)
    ]
    with tapped() as wire:
        boto3.client("cloudwatch").put_metric_data(Namespace="certificates", MetricData=metrics)
    (request,) = wire.sent
    assert request.operation == "PutMetricData"
    assert len(request.body["MetricData"]) == len(metrics)

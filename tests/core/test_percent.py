"""A certificate keeps its percent whatever stands against it: docs/rules.md states that this is on purpose."""

import pytest

from certrules.core.policy import DEFAULT, undated
from certrules.core.replay import replay
from certrules.core.terms import Status
from tests.scenes.phrases import instant, qualifying


@pytest.mark.parametrize(
    ("status", "without", "phrase"),
    [
        (Status.UNAVAILABLE, (), "invalidated by ada"),
        (Status.UNAVAILABLE, (), "exam final rejected"),
        (Status.UNVERIFIED, ("ID verification",), "graded 0.8 A"),
    ],
)
def test_unavailable_and_unverified_certificates_keep_their_percent(
    status: Status, without: tuple[str, ...], phrase: str
) -> None:
    record = qualifying(("day 2", "graded 0.8 A"), ("day 5", phrase), without=without)
    certificate = replay(record, undated(DEFAULT), instant("day 9")).certificate
    assert certificate is not None
    assert (certificate.status, certificate.grade) == (status, "0.8")

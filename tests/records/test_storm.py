"""After a storm every record is as desired (`make storm` for a large one)."""

import pytest

from tests.records.scene import Scene
from tests.records.service import CREDENTIALS
from tests.records.storm import Storm, weather


@pytest.mark.parametrize("seed", [1, 2])
def test_after_a_storm_every_record_is_as_desired(scene: Scene, seed: int) -> None:
    result = weather(scene, Storm(seed, 500))
    assert result.wrong == []
    assert all(delivery.is_settled for delivery in scene.store.deliveries())
    assert result.requests[f"POST {CREDENTIALS}"] < result.changes * 1.2  # an outage of an hour and faults included

"""After a storm every record is as desired (`make storm` for a large one)."""

import pytest

from tests.records.scene import Scene
from tests.records.storm import Storm
from tests.records.tables import all_tables
from tests.records.weather import Weather


@pytest.mark.parametrize("seed", [1, 2])
def test_after_a_storm_every_record_is_as_desired(scene: Scene, dynamodb_local: str, seed: int) -> None:
    with all_tables(dynamodb_local):
        result = Weather(scene, Storm(seed, 60)).passes()
    assert result.wrong == []
    assert result.delays
    assert result.counted["events put"]

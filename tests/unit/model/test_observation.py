"""What holds for every observation, whichever provider it is from."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec
import pytest

from meteorograph.model.values import Observation

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(("speed", "direction"), [(0.0, None), (-0.0, None), (0.1, 240.0), (None, 240.0)])
def test_a_calm_has_no_direction(speed: float | None, direction: float | None) -> None:
    wind = Observation(provider="any", fetched_at=NOON, observed_at=NOON, wind_speed=speed, wind_direction=240.0)
    assert (wind.wind_speed, wind.wind_direction) == (speed, direction)


def test_a_calm_that_completes_another_observation_takes_its_direction_and_the_flags_of_it() -> None:
    flags = {"wind_direction": ["rejected"], "wind_speed": ["rejected"]}
    wind = Observation(provider="any", fetched_at=NOON, observed_at=NOON, wind_direction=240.0, flags=flags)
    assert wind.flags == flags
    calm = msgspec.structs.replace(wind, wind_speed=0.0)
    assert calm.wind_direction is None
    assert calm.flags == {"wind_speed": ["rejected"]}
    assert wind.flags == flags  # not changed by the copy

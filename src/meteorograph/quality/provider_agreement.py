"""Flag values that another provider of the same slot contradicts. Pure."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

import msgspec

from ..model.flags import Flag
from ..model.values import Observation

#: How far two providers may differ [unit of the quantity].
DIFFERENCE: Final = {
    "temperature": 5.0,
    "dew_point": 5.0,
    "humidity": 30.0,
    "pressure": 5.0,
    "altimeter_setting": 5.0,
    "wind_speed": 8.0,
    "wind_gust": 15.0,
}

#: Amounts of the same period disagree when they differ by more than this [mm], and the larger is over four times the smaller.
DIFFERENCE_OF_AMOUNTS: Final = 5.0

#: Observations further apart in time are not compared.
COMPARED_WITHIN: Final = timedelta(hours=1)


def flag_disagreements(observation: Observation, other: Observation) -> Observation:
    """The observation with the flag ``disagrees`` on each value that another provider's one of the same slot contradicts."""
    if observation.observed_at and other.observed_at and abs(observation.observed_at - other.observed_at) > COMPARED_WITHIN:
        return observation
    names = [name for name, most in DIFFERENCE.items() if _differ(observation, other, name, most)]
    if _amounts_differ(observation, other):
        names.append("precipitation")
    if not names:
        return observation
    flags = {name: [*observation.flags.get(name, ()), Flag.DISAGREES] for name in names}
    return msgspec.structs.replace(observation, flags={**observation.flags, **flags})


def _differ(observation: Observation, other: Observation, name: str, most: float) -> bool:
    one, two = getattr(observation, name, None), getattr(other, name, None)
    return one is not None and two is not None and abs(one - two) > most


def _amounts_differ(observation: Observation, other: Observation) -> bool:
    """Whether two amounts of one period contradict each other; of an unknown period nothing can be said."""
    one, two = observation.precipitation, other.precipitation
    if one is None or two is None or not observation.precipitation_period:
        return False
    if observation.precipitation_period != other.precipitation_period:
        return False
    return abs(one - two) > DIFFERENCE_OF_AMOUNTS and max(one, two) > 4 * min(one, two)

"""Flag values that differ from those of another provider for the same slot. Pure."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

import msgspec

from ..model.flags import Flag
from ..model.values import Observation
from .time_checks import CONFIRMED, MAX_CHANGE_PER_HOUR

#: Largest difference between two providers without a flag [unit of the quantity].
MAX_DIFFERENCE: Final = {
    "temperature": 5.0,
    "dew_point": 5.0,
    "humidity": 30.0,
    "pressure": 5.0,
    "altimeter_setting": 5.0,
    "wind_speed": 8.0,
    "wind_gust": 15.0,
}

#: Amounts of the same period disagree if they differ by more than this [mm] and by more than a factor of four.
MAX_AMOUNT_DIFFERENCE: Final = 5.0

#: Observations further apart in time are not compared.
MAX_TIME_DIFFERENCE: Final = timedelta(hours=1)


def flag_disagreements(observation: Observation, other: Observation) -> Observation:
    """The observation, with the flag ``disagrees`` on each value that differs too much from that of another provider.

    A value that agrees gets ``CONFIRMED`` if its steps are checked.
    """
    if observation.observed_at and other.observed_at and abs(observation.observed_at - other.observed_at) > MAX_TIME_DIFFERENCE:
        return observation
    names = [name for name, limit in MAX_DIFFERENCE.items() if _differ(observation, other, name, limit)]
    if _amounts_differ(observation, other):
        names.append("precipitation")
    words: dict[str, str] = dict.fromkeys(names, Flag.DISAGREES)
    for name in MAX_CHANGE_PER_HOUR:
        if name not in words and _differ(observation, other, name, -1.0):
            words[name] = CONFIRMED
    if not words:
        return observation
    flags = {name: [*observation.flags.get(name, ()), word] for name, word in words.items()}
    return msgspec.structs.replace(observation, flags={**observation.flags, **flags})


def _differ(observation: Observation, other: Observation, name: str, limit: float) -> bool:
    value, other_value = getattr(observation, name, None), getattr(other, name, None)
    return value is not None and other_value is not None and abs(value - other_value) > limit


def _amounts_differ(observation: Observation, other: Observation) -> bool:
    """Whether two amounts of the same period disagree. Amounts of an unknown period cannot be compared."""
    amount, other_amount = observation.precipitation, other.precipitation
    if amount is None or other_amount is None or not observation.precipitation_period:
        return False
    if observation.precipitation_period != other.precipitation_period:
        return False
    return abs(amount - other_amount) > MAX_AMOUNT_DIFFERENCE and max(amount, other_amount) > 4 * min(amount, other_amount)

"""Stop 7 of the walk: takes an observation, gives it with flags. Pure, but for ``check_states.py``.

A value that cannot be the quantity at all (``quantities.py``) would be refused by the database and take the other values with
it, so it is left out here, and its flag tells what it was. Any other value is kept as it came.

The other checks need the row: ``check_row.py`` looks at it alone, ``check_past.py`` at what came before it, and
``check_states.py`` does both for a batch. ``docs/quality.md`` has the meaning of each flag and the source of each limit.
"""

from __future__ import annotations

from datetime import timedelta
from sys import float_info
from typing import Final

import msgspec

from .model.flags import DISAGREES, IMPOSSIBLE
from .model.quantities import QUANTITIES
from .model.values import Observation

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
TOGETHER: Final = timedelta(hours=1)


#: Name, least and most of each quantity that can be at all; infinity and NaN are beyond both.
_POSSIBLE: Final = tuple(
    (one.name, -float_info.max if one.possible[0] is None else one.possible[0], one.possible[1] or float_info.max)
    for one in QUANTITIES
)


def check(observation: Observation) -> Observation:
    """The observation with each impossible value replaced by None and the flag ``impossible:<value>``."""
    impossible = {
        name: value
        for name, low, high in _POSSIBLE
        if (value := getattr(observation, name)) is not None and not low <= value <= high
    }
    if not impossible:
        return observation
    flags = {
        **observation.flags,
        **{name: [f"{IMPOSSIBLE}:" + repr(value).removesuffix(".0")] for name, value in impossible.items()},
    }
    return msgspec.structs.replace(observation, **dict.fromkeys(impossible), flags=flags)


def compared(observation: Observation, other: Observation) -> Observation:
    """The observation with the flag ``disagrees`` on each value that another provider's one of the same slot contradicts."""
    if observation.observed_at and other.observed_at and abs(observation.observed_at - other.observed_at) > TOGETHER:
        return observation
    names = [name for name, most in DIFFERENCE.items() if _differ(observation, other, name, most)]
    if _amounts_differ(observation, other):
        names.append("precipitation")
    if not names:
        return observation
    flags = {name: [*observation.flags.get(name, ()), DISAGREES] for name in names}
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

"""Remove and flag values that the quantity cannot have. Pure."""

from __future__ import annotations

from operator import attrgetter
from sys import float_info
from typing import Final

import msgspec

from ..model.flags import Flag
from ..model.quantities import QUANTITIES
from ..model.values import Observation

#: Names, smallest and largest possible values of the quantities; infinity and NaN are outside of both.
_NAMES: Final = tuple(quantity.name for quantity in QUANTITIES)
_LIMITS: Final = tuple(
    (-float_info.max if quantity.possible[0] is None else quantity.possible[0], quantity.possible[1] or float_info.max)
    for quantity in QUANTITIES
)

_values: Final = attrgetter(*_NAMES)


def drop_impossible(observation: Observation) -> Observation:
    """The observation with every impossible value replaced by None and flagged ``impossible:<value>``."""
    values = _values(observation)
    for value, (low, high) in zip(values, _LIMITS, strict=True):
        if value is not None and not low <= value <= high:
            break
    else:
        return observation  # nearly always
    impossible = {
        name: value
        for name, value, (low, high) in zip(_NAMES, values, _LIMITS, strict=True)
        if value is not None and not low <= value <= high
    }
    flags = {
        **observation.flags,
        **{name: [f"{Flag.IMPOSSIBLE}:" + repr(value).removesuffix(".0")] for name, value in impossible.items()},
    }
    return msgspec.structs.replace(observation, **dict.fromkeys(impossible), flags=flags)

"""Remove and flag values that the quantity cannot have. Pure."""

from __future__ import annotations

from sys import float_info
from typing import Final

import msgspec

from ..model.flags import Flag
from ..model.quantities import QUANTITIES
from ..model.values import Observation

#: Name, smallest and largest possible value of each quantity; infinity and NaN are outside of both.
_POSSIBLE: Final = tuple(
    (
        quantity.name,
        -float_info.max if quantity.possible[0] is None else quantity.possible[0],
        quantity.possible[1] or float_info.max,
    )
    for quantity in QUANTITIES
)


def drop_impossible(observation: Observation) -> Observation:
    """The observation with every impossible value replaced by None and flagged ``impossible:<value>``."""
    impossible = {
        name: value
        for name, low, high in _POSSIBLE
        if (value := getattr(observation, name)) is not None and not low <= value <= high
    }
    if not impossible:
        return observation
    flags = {
        **observation.flags,
        **{name: [f"{Flag.IMPOSSIBLE}:" + repr(value).removesuffix(".0")] for name, value in impossible.items()},
    }
    return msgspec.structs.replace(observation, **dict.fromkeys(impossible), flags=flags)

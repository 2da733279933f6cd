"""Values that cannot be the quantity at all are left out and flagged. Pure."""

from __future__ import annotations

from sys import float_info
from typing import Final

import msgspec

from ..model.flags import Flag
from ..model.quantities import QUANTITIES
from ..model.values import Observation

#: Name, least and most of each quantity that can be at all; infinity and NaN are beyond both.
_POSSIBLE: Final = tuple(
    (one.name, -float_info.max if one.possible[0] is None else one.possible[0], one.possible[1] or float_info.max)
    for one in QUANTITIES
)


def drop_impossible(observation: Observation) -> Observation:
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
        **{name: [f"{Flag.IMPOSSIBLE}:" + repr(value).removesuffix(".0")] for name, value in impossible.items()},
    }
    return msgspec.structs.replace(observation, **dict.fromkeys(impossible), flags=flags)

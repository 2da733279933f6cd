"""Stop 7 of the walk: takes an observation, gives it with flags. Pure.

A value that cannot be the quantity at all (``quantities.py``) would be refused by the database and take the other values with
it, so it is left out here, and its flag tells what it was. Any other value is kept as it came.
"""

from __future__ import annotations

import msgspec

from .flags import IMPOSSIBLE
from .quantities import QUANTITIES
from .values import Observation


def check(observation: Observation) -> Observation:
    """The observation with each impossible value replaced by None and the flag ``impossible:<value>``."""
    impossible = {}
    for quantity in QUANTITIES:
        value = getattr(observation, quantity.name)
        if value is not None and not quantity.is_possible(value):
            impossible[quantity.name] = value
    if not impossible:
        return observation
    flags = {
        **observation.flags,
        **{name: [f"{IMPOSSIBLE}:" + repr(value).removesuffix(".0")] for name, value in impossible.items()},
    }
    return msgspec.structs.replace(observation, **dict.fromkeys(impossible), flags=flags)

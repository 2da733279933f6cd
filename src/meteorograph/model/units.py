"""Units that an answer may be in. What is stored is in the canonical ones; this is the edge where it is converted. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final, Literal

from .quantities import BY_NAME

System = Literal["metric", "imperial", "si"]
SYSTEMS: Final[tuple[System, ...]] = ("metric", "imperial", "si")

#: What is told in every system: seconds.
_PERIOD: Final = "precipitation_period"

#: Canonical unit → unit, factor and offset. Exact by definition (NIST SP 811, appendix B), but for the inch of mercury at 0 °C.
_CONVERSIONS: Final[dict[System, dict[str, tuple[str, float, float]]]] = {
    "metric": {},
    "imperial": {
        "°C": ("°F", 1.8, 32.0),
        "hPa": ("inHg", 1 / 33.86389, 0.0),
        "m/s": ("mi/h", 3600 / 1609.344, 0.0),
        "m": ("mi", 1 / 1609.344, 0.0),
        "mm": ("in", 1 / 25.4, 0.0),
    },
    "si": {
        "°C": ("K", 1.0, 273.15),
        "hPa": ("Pa", 100.0, 0.0),
        "mm": ("m", 0.001, 0.0),
    },
}

#: Decimals that are told of a converted value: beyond them is the noise of binary fractions.
_DECIMALS: Final = 9


def unit_of(name: str, system: System = "metric") -> str:
    """The unit of a quantity in a system."""
    if name == _PERIOD:
        return "s"
    canonical = BY_NAME[name].unit
    return _CONVERSIONS[system].get(canonical, (canonical, 1.0, 0.0))[0]


def units_of(names: Iterable[str], system: System = "metric") -> dict[str, str]:
    """The unit of each of these names that has one."""
    return {name: unit_of(name, system) for name in names if name in BY_NAME or name == _PERIOD}


def converter(name: str, system: System) -> Callable[[float], float] | None:
    """What turns a quantity's canonical values into those of a system; None where they are the same."""
    found = _CONVERSIONS[system].get(BY_NAME[name].unit) if name in BY_NAME else None
    if found is None:
        return None
    _, factor, offset = found
    return lambda value: round(value * factor + offset, _DECIMALS)

"""Units: factors from foreign units to the canonical units, and the unit systems of answers. Pure.

Stored values have canonical units. Providers' values are converted when an answer is parsed, and answers of ours when they are
written. All factors are exact by definition (NIST SP 811, appendix B), except the inch of mercury (at 0 °C).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final, Literal

from .quantities import BY_NAME

#: [m/s]
KNOT: Final = 1852 / 3600
KILOMETRE_PER_HOUR: Final = 1 / 3.6
MILE_PER_HOUR: Final = 0.44704
#: [m]
FOOT: Final = 0.3048
STATUTE_MILE: Final = 1609.344
KILOMETRE: Final = 1000.0
#: [mm]
INCH: Final = 25.4
METRE_OF_WATER: Final = 1000.0
#: [hPa]
INCH_OF_MERCURY: Final = 33.86389
PASCAL: Final = 0.01

#: 0 °C [K] and [°F], and degrees Fahrenheit per degree Celsius.
ZERO_CELSIUS_IN_KELVIN: Final = 273.15
ZERO_CELSIUS_IN_FAHRENHEIT: Final = 32.0
FAHRENHEIT_PER_CELSIUS: Final = 1.8

#: Decimals of a converted value: more decimals are noise of the conversion.
_PROVIDER_DECIMALS: Final = 4
_ANSWER_DECIMALS: Final = 9


def scale(value: float | None, factor: float) -> float | None:
    """A provider's value times a factor of this module, rounded to 4 decimals; None for None."""
    return None if value is None else round(value * factor, _PROVIDER_DECIMALS)


def fahrenheit_to_celsius(value: float) -> float:
    """A temperature [°C] from one in [°F], rounded to 4 decimals."""
    return round((value - ZERO_CELSIUS_IN_FAHRENHEIT) / FAHRENHEIT_PER_CELSIUS, _PROVIDER_DECIMALS)


def kelvin_to_celsius(value: float) -> float:
    """A temperature [°C] from one in [K], rounded to 4 decimals."""
    return round(value - ZERO_CELSIUS_IN_KELVIN, _PROVIDER_DECIMALS)


System = Literal["metric", "imperial", "si"]
SYSTEMS: Final[tuple[System, ...]] = ("metric", "imperial", "si")

#: Has the unit s in every system.
_PERIOD: Final = "precipitation_period"

#: System → canonical unit → unit of the system, factor and offset from the canonical unit.
_CONVERSIONS: Final[dict[System, dict[str, tuple[str, float, float]]]] = {
    "metric": {},
    "imperial": {
        "°C": ("°F", FAHRENHEIT_PER_CELSIUS, ZERO_CELSIUS_IN_FAHRENHEIT),
        "hPa": ("inHg", 1 / INCH_OF_MERCURY, 0.0),
        "m/s": ("mi/h", 1 / MILE_PER_HOUR, 0.0),
        "m": ("mi", 1 / STATUTE_MILE, 0.0),
        "mm": ("in", 1 / INCH, 0.0),
    },
    "si": {
        "°C": ("K", 1.0, ZERO_CELSIUS_IN_KELVIN),
        "hPa": ("Pa", 100.0, 0.0),
        "mm": ("m", 0.001, 0.0),
    },
}


def unit_of(name: str, system: System = "metric") -> str:
    """The unit of a quantity in a system."""
    if name == _PERIOD:
        return "s"
    canonical = BY_NAME[name].unit
    return _CONVERSIONS[system].get(canonical, (canonical, 1.0, 0.0))[0]


def units_of(names: Iterable[str], system: System = "metric") -> dict[str, str]:
    """Name → unit, for each of the names that has a unit."""
    return {name: unit_of(name, system) for name in names if name in BY_NAME or name == _PERIOD}


def converter(name: str, system: System) -> Callable[[float], float] | None:
    """A function from a quantity's canonical values to the values of a system; None if they are the same."""
    conversion = _CONVERSIONS[system].get(BY_NAME[name].unit) if name in BY_NAME else None
    if conversion is None:
        return None
    _, factor, offset = conversion
    return lambda value: round(value * factor + offset, _ANSWER_DECIMALS)

"""Units: factors from foreign units to the canonical units, and the unit systems of answers. Pure.

Stored values have canonical units. Providers' values are converted when an answer is parsed, and answers of ours when they are
written. All factors are exact by definition (NIST SP 811, appendix B), except the inch of mercury (at 0 °C).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
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


System = Literal["metric", "imperial", "si", "standard"]
SYSTEMS: Final[tuple[System, ...]] = ("metric", "imperial", "si", "standard")

#: Has the unit s in every system.
_PERIOD: Final = "precipitation_period"

#: Canonical unit → other unit → factor and offset from the canonical unit.
_CONVERSIONS: Final[dict[str, dict[str, tuple[float, float]]]] = {
    "°C": {"K": (1.0, ZERO_CELSIUS_IN_KELVIN), "°F": (FAHRENHEIT_PER_CELSIUS, ZERO_CELSIUS_IN_FAHRENHEIT)},
    "hPa": {"Pa": (1 / PASCAL, 0.0), "kPa": (0.1, 0.0), "inHg": (1 / INCH_OF_MERCURY, 0.0)},
    "m/s": {"km/h": (1 / KILOMETRE_PER_HOUR, 0.0), "mi/h": (1 / MILE_PER_HOUR, 0.0), "kn": (1 / KNOT, 0.0)},
    "m": {"km": (1 / KILOMETRE, 0.0), "mi": (1 / STATUTE_MILE, 0.0), "ft": (1 / FOOT, 0.0)},
    "mm": {"m": (1 / METRE_OF_WATER, 0.0), "in": (1 / INCH, 0.0)},
}

#: Units by the names that need no encoding in an address.
_PLAIN_NAMES: Final = {"C": "°C", "F": "°F", "mph": "mi/h"}

#: System → canonical unit → unit of the system. ``standard`` is OpenWeatherMap's word for kelvin and else metric units.
_SYSTEM_UNITS: Final[dict[System, dict[str, str]]] = {
    "metric": {},
    "imperial": {"°C": "°F", "hPa": "inHg", "m/s": "mi/h", "m": "mi", "mm": "in"},
    "si": {"°C": "K", "hPa": "Pa", "mm": "m"},
    "standard": {"°C": "K"},
}


@dataclass(frozen=True, slots=True)
class Units:
    """The units of an answer: a system, and other units of single quantities."""

    system: System = "metric"
    #: Quantity → unit.
    single: Mapping[str, str] = field(default_factory=dict)

    def unit_of(self, name: str) -> str:
        """The unit of a quantity."""
        if name == _PERIOD:
            return "s"
        canonical = BY_NAME[name].unit
        return self.single.get(name) or _SYSTEM_UNITS[self.system].get(canonical, canonical)

    def units_of(self, names: Iterable[str]) -> dict[str, str]:
        """Name → unit, for each of the names that has a unit."""
        return {name: self.unit_of(name) for name in names if name in BY_NAME or name == _PERIOD}

    def converter(self, name: str) -> Callable[[float], float] | None:
        """A function from a quantity's canonical values to values in its unit; None if they are the same."""
        return _converter(name, self.unit_of(name)) if name in BY_NAME else None


def unit_of(name: str, system: System = "metric") -> str:
    """The unit of a quantity in a system."""
    return Units(system).unit_of(name)


def units_of(names: Iterable[str], system: System = "metric") -> dict[str, str]:
    """Name → unit in a system, for each of the names that has a unit."""
    return Units(system).units_of(names)


def converter(name: str, system: System) -> Callable[[float], float] | None:
    """A function from a quantity's canonical values to the values of a system; None if they are the same."""
    return Units(system).converter(name)


def _converter(name: str, unit: str) -> Callable[[float], float] | None:
    conversion = _CONVERSIONS.get(BY_NAME[name].unit, {}).get(unit)
    if conversion is None:
        return None
    factor, offset = conversion
    return lambda value: round(value * factor + offset, _ANSWER_DECIMALS)


def to_canonical(name: str, unit: str) -> Callable[[float], float] | None:
    """A function from a quantity's values in one of its ``possible_units`` to canonical values; None if they are the same."""
    conversion = _CONVERSIONS.get(BY_NAME[name].unit, {}).get(unit)
    if conversion is None:
        return None
    factor, offset = conversion
    return lambda value: round((value - offset) / factor, _PROVIDER_DECIMALS)


METRIC: Final = Units()


def parse_units(text: str) -> Units:
    """Units from a system, single quantities or both, such as ``si``, ``metric,temperature:K`` or ``wind_speed:kn``.

    Raises:
        ValueError: A part is unknown; the message says what is allowed.
    """
    system: System = "metric"
    single: dict[str, str] = {}
    for position, part in enumerate(text.split(",")):
        name, colon, unit = part.strip().partition(":")
        matches = [known for known in SYSTEMS if known == name]
        if matches and not colon and position == 0:
            system = matches[0]
        elif colon and name in single:
            raise ValueError(f"must give {name} once")
        elif colon and name in BY_NAME:
            single[name] = _parse_unit(name, unit)
        else:
            raise ValueError(
                f"must be one of {', '.join(SYSTEMS)}, "
                "or such a word and units of quantities, as in metric,temperature:K,wind_speed:kn"
            )
    return Units(system, single)


def _parse_unit(name: str, text: str) -> str:
    unit = _PLAIN_NAMES.get(text, text)
    if unit not in (allowed := possible_units(name)):
        raise ValueError(f"must give {name} in one of {', '.join(allowed)}")
    return unit


def possible_units(name: str) -> tuple[str, ...]:
    """The units in which a quantity can be given, the canonical one first."""
    canonical = BY_NAME[name].unit
    return (canonical, *_CONVERSIONS.get(canonical, ()))

"""The units that files of other programs use, and their conversion to canonical units. Pure."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Final

from ..model.quantities import BY_NAME
from ..model.units import possible_units, to_canonical

#: Other spelling → unit.
_SPELLINGS: Final = {
    "C": "°C", "degC": "°C", "celsius": "°C", "F": "°F", "degF": "°F", "fahrenheit": "°F", "kelvin": "K",
    "mbar": "hPa", "mb": "hPa", "inhg": "inHg", "mmhg": "mmHg",
    "kmh": "km/h", "kph": "km/h", "mph": "mi/h", "kt": "kn", "kts": "kn", "knots": "kn", "mps": "m/s",
    "inch": "in", "inches": "in", "percent": "%", "deg": "degree", "°": "degree", "degrees": "degree", "index": "1", "code": "1",
}  # fmt: skip

#: Canonical unit → unit that only files use → factor to the canonical unit.
_FACTORS: Final = {"mm": {"cm": 10.0}, "hPa": {"mmHg": 1.333224}, "%": {"fraction": 100.0}}

_DECIMALS: Final = 4


def known_units(name: str) -> tuple[str, ...]:
    """The units in which a file can give a quantity, the canonical one first."""
    return (*possible_units(name), *_FACTORS.get(BY_NAME[name].unit, {}))


def canonical_unit_name(name: str, text: str) -> str:
    """The unit of a quantity that a text names.

    Raises:
        ValueError: The quantity has no such unit; the message says what is allowed.
    """
    unit = _SPELLINGS.get(text, text)
    if unit not in (allowed := known_units(name)):
        raise ValueError(f"must give {name} in one of {', '.join(allowed)}")
    return unit


@cache
def conversion(name: str, unit: str) -> Callable[[float], float]:
    """A function from a quantity's values in one of its ``known_units`` to canonical values."""
    factor = _FACTORS.get(BY_NAME[name].unit, {}).get(unit)
    if factor is not None:
        return lambda value: round(value * factor, _DECIMALS)
    return to_canonical(name, unit) or float

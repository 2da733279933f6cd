"""Finds places where a quantity changes its unit between two rows. Pure.

A source may change from °F to °C in March: each value is possible, and the row looks like a sudden change of the weather. Here a
change is one if four values before it and four values after it lie close together, and a conversion of units leads from the ones
to the others.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from ..model.units import FAHRENHEIT_PER_CELSIUS, INCH_OF_MERCURY, ZERO_CELSIUS_IN_FAHRENHEIT, ZERO_CELSIUS_IN_KELVIN
from .staging import StagedRow

#: Values on each side, and the longest time between the first and the last.
_SIDE: Final = 4
_MAX_SPAN: Final = timedelta(hours=16)

#: Values of a side that are further apart [°C] are weather.
_MAX_SPREAD: Final = 8.0
#: A change that is smaller [°C] may be weather.
_MIN_CHANGE: Final = 15.0
#: How far the mean after a change may be from the converted mean before it [°C].
_TOLERANCE: Final = 4.0

_PRESSURE_FACTORS: Final = (10.0, 100.0, INCH_OF_MERCURY, 1.333224)
_FACTOR_TOLERANCE: Final = 0.02

#: Amounts on each side that are compared: the smallest one is the tip of the gauge.
_WET_SIDE: Final = 20
_AMOUNT_FACTORS: Final = (10.0, 25.4)

TEMPERATURES: Final = ("temperature", "dew_point")
PRESSURES: Final = ("pressure", "station_pressure", "altimeter_setting")


class UnitChange(NamedTuple):
    """A place where the unit seems to change."""

    quantity: str
    before: StagedRow
    after: StagedRow
    factor: str


def find_unit_changes(rows: Iterator[StagedRow]) -> list[UnitChange]:
    """The first change of each quantity in the rows of a location, oldest first."""
    sides: dict[str, deque[tuple[StagedRow, float]]] = {}
    changes: dict[str, UnitChange] = {}
    for row in rows:
        for name, tests, size in (
            *((name, _temperature_factor, _SIDE) for name in TEMPERATURES),
            *((name, _pressure_factor, _SIDE) for name in PRESSURES),
            ("precipitation", _amount_factor, _WET_SIDE),
        ):
            value = getattr(row.observation, name)
            if name in changes or value is None or (name == "precipitation" and value <= 0):
                continue
            side = sides.setdefault(name, deque(maxlen=2 * size))
            side.append((row, value))
            change = _look(name, side, size, tests)
            if change is not None:
                changes[name] = change
    return list(changes.values())


def _look(
    name: str,
    side: deque[tuple[StagedRow, float]],
    size: int,
    factor_of: Callable[[list[float], list[float]], str | None],
) -> UnitChange | None:
    if len(side) < 2 * size or (size == _SIDE and _at(side[-1]) - _at(side[0]) > _MAX_SPAN):
        return None
    values = [value for _, value in side]
    factor = factor_of(values[:size], values[size:])
    return UnitChange(name, side[size - 1][0], side[size][0], factor) if factor else None


def _at(item: tuple[StagedRow, float]) -> datetime:
    return item[0].due_at


def _mean(values: list[float]) -> float:
    return sum(values) / len(values)


def _temperature_factor(before: list[float], after: list[float]) -> str | None:
    if abs(after[0] - before[-1]) < _MIN_CHANGE:
        return None
    first, second = _mean(before), _mean(after)
    to_celsius = (first - ZERO_CELSIUS_IN_FAHRENHEIT) / FAHRENHEIT_PER_CELSIUS
    from_celsius = first * FAHRENHEIT_PER_CELSIUS + ZERO_CELSIUS_IN_FAHRENHEIT
    conversions = (
        ("1.8 (°F and °C)", to_celsius, _TOLERANCE),
        ("1.8 (°C and °F)", from_celsius, _TOLERANCE * FAHRENHEIT_PER_CELSIUS),
        ("273.15 (K and °C)", first - ZERO_CELSIUS_IN_KELVIN, _TOLERANCE),
        ("273.15 (°C and K)", first + ZERO_CELSIUS_IN_KELVIN, _TOLERANCE),
    )
    if any(max(side) - min(side) > _MAX_SPREAD * FAHRENHEIT_PER_CELSIUS for side in (before, after)):
        return None
    return next((name for name, expected, tolerance in conversions if abs(second - expected) <= tolerance), None)


def _pressure_factor(before: list[float], after: list[float]) -> str | None:
    return _ratio(_mean(before), _mean(after), _PRESSURE_FACTORS, _FACTOR_TOLERANCE)


def _amount_factor(before: list[float], after: list[float]) -> str | None:
    """The smallest amounts show the gauge, the middle ones that it is not only a finer one."""
    smallest = _ratio(min(before), min(after), _AMOUNT_FACTORS, _FACTOR_TOLERANCE)
    middle = sorted(after)[_WET_SIDE // 2] / sorted(before)[_WET_SIDE // 2]
    return smallest if smallest and max(middle, 1 / middle) >= 4 else None


def _ratio(first: float, second: float, factors: tuple[float, ...], tolerance: float) -> str | None:
    if first <= 0 or second <= 0:
        return None
    ratio = max(first / second, second / first)
    return next((f"{factor:g}" for factor in factors if abs(ratio / factor - 1) <= tolerance), None)

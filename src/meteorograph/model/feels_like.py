"""How warm the air feels: wind chill in the cold, heat index in the heat, otherwise the temperature itself. Pure.

Wind chill: US NWS and Environment Canada, 2001, for at most 10 °C and more than 4.8 km/h
(https://www.weather.gov/media/epz/wxcalc/windChill.pdf). Heat index: L. P. Rothfusz, NWS SR 90-23, with the corrections of
https://www.wpc.ncep.noaa.gov/html/heatindex_equation.shtml, for at least 80 °F.
"""

from __future__ import annotations

import math
from typing import Final

from .units import FAHRENHEIT_PER_CELSIUS, KILOMETRE_PER_HOUR, ZERO_CELSIUS_IN_FAHRENHEIT, fahrenheit_to_celsius

#: Bounds of the wind chill [°C] and [km/h], and of the heat index [°F].
_WARMEST_CHILL: Final = 10.0
_SLOWEST_CHILL: Final = 4.8
_COOLEST_HEAT: Final = 80.0


def feels_like(temperature: float | None, humidity: float | None, wind_speed: float | None) -> float | None:
    """The apparent temperature [°C] of a temperature [°C], humidity [%] and wind speed [m/s].

    None if the temperature is missing, or what the formula of this temperature needs.
    """
    if temperature is None:
        return None
    if temperature <= _WARMEST_CHILL:
        return None if wind_speed is None else _wind_chill(temperature, wind_speed / KILOMETRE_PER_HOUR)
    fahrenheit = temperature * FAHRENHEIT_PER_CELSIUS + ZERO_CELSIUS_IN_FAHRENHEIT
    if fahrenheit < _COOLEST_HEAT:
        return temperature
    return None if humidity is None else fahrenheit_to_celsius(_heat_index(fahrenheit, humidity))


def _wind_chill(temperature: float, wind_kmh: float) -> float:
    if wind_kmh <= _SLOWEST_CHILL:
        return temperature
    power: float = wind_kmh**0.16
    return min(temperature, 13.12 + 0.6215 * temperature - 11.37 * power + 0.3965 * temperature * power)


def _heat_index(t: float, r: float) -> float:
    """The heat index [°F] of a temperature [°F] and a humidity [%]."""
    simple = 0.5 * (t + 61.0 + (t - 68.0) * 1.2 + r * 0.094)
    if (simple + t) / 2 < _COOLEST_HEAT:
        return (simple + t) / 2
    index = (
        -42.379
        + 2.04901523 * t
        + 10.14333127 * r
        - 0.22475541 * t * r
        - 6.83783e-3 * t * t
        - 5.481717e-2 * r * r
        + 1.22874e-3 * t * t * r
        + 8.5282e-4 * t * r * r
        - 1.99e-6 * t * t * r * r
    )
    if r < 13 and t <= 112:
        index -= (13 - r) / 4 * math.sqrt((17 - abs(t - 95)) / 17)
    elif r > 85 and t <= 87:
        index += (r - 85) / 10 * (87 - t) / 5
    return index

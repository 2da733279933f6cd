"""Values of a row that contradict each other, or the elevation of the location. Part of stop 7 of the walk; pure."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from ..model.quantities import BY_NAME
from .climate_limits import likely_limits
from .levels import pressure_drop

#: A higher temperature is flagged anyway [°C].
HIGHEST_TEMPERATURE: Final = BY_NAME["temperature"].plausible[1]

#: Tolerance when one value must not exceed another, since both are converted and rounded [unit of the quantity].
ROUNDING: Final = 0.1

#: A humidity up to this is a share instead of a percentage, or missing [%].
MIN_HUMIDITY: Final = 1.0

#: Difference between the humidity and that of temperature and dew point, for whole degrees of both [%], and more of it for
#: each degree of frost: some providers mean humidity over ice.
MAX_HUMIDITY_DIFFERENCE: Final = 20.0

#: Below this pressure, and with this difference to sea level at least, a pressure may be station pressure [hPa]. It is, if sea
#: level pressure would otherwise be this far from 1013 hPa at most.
MAX_STATION_PRESSURE: Final = 970.0
MIN_STATION_DROP: Final = 35.0
ORDINARY_DEVIATION: Final = 40.0


def find_contradictions(row: Mapping[str, Any], latitude: float | None, elevation: float | None) -> tuple[str, ...]:
    """The quantities of a row that contradict each other.

    If the dew point is above the temperature, either may be wrong, so both are flagged. Humidity is never 0. If the gust is below
    the wind speed, the gust is flagged, because fewer stations measure it.
    """
    wrong: tuple[str, ...] = ()
    temperature, dew_point, humidity = row.get("temperature"), row.get("dew_point"), row.get("humidity")
    if humidity is not None and humidity <= MIN_HUMIDITY:
        wrong = ("humidity",)
    elif temperature is not None and humidity is not None:
        if dew_point is not None and dew_point <= temperature:
            wrong = _wrong_of_three(temperature, dew_point, humidity)
        if (
            not wrong
            and 30 < temperature <= HIGHEST_TEMPERATURE
            and saturation_dew_point(temperature, humidity) > _highest_dew_point(row["due_at"], latitude)
        ):
            wrong = ("temperature", "humidity")
    if temperature is not None and dew_point is not None and round(dew_point - temperature, 4) > ROUNDING:
        wrong = tuple(dict.fromkeys((*wrong, "temperature", "dew_point")))
    wind, gust = row.get("wind_speed"), row.get("wind_gust")
    if wind is not None and gust is not None and round(wind - gust, 4) > ROUNDING:
        wrong += ("wind_gust",)
    pressure = row.get("pressure")
    if (
        pressure is not None
        and elevation is not None
        and pressure < MAX_STATION_PRESSURE
        and _is_station_pressure(pressure, elevation)
    ):
        wrong += ("pressure",)
    return wrong


def relative_humidity(temperature: float, dew_point: float) -> float:
    """Relative humidity [%] of a temperature and a dew point [°C] (WMO-No. 8, annex 4.B, over water)."""
    return 100 * math.exp(17.62 * dew_point / (243.12 + dew_point) - 17.62 * temperature / (243.12 + temperature))


def saturation_dew_point(temperature: float, humidity: float) -> float:
    """Dew point [°C] of a temperature [°C] and a relative humidity [%]."""
    exponent = math.log(humidity / 100) + 17.62 * temperature / (243.12 + temperature)
    return 243.12 * exponent / (17.62 - exponent)


def _highest_dew_point(due_at: datetime, latitude: float | None) -> float:
    """The highest likely dew point [°C]."""
    limits = BY_NAME["dew_point"].plausible if latitude is None else likely_limits(latitude, due_at.month)["dew_point"]
    return limits[1]


def _wrong_of_three(temperature: float, dew_point: float, humidity: float) -> tuple[str, ...]:
    """Which of the three contradict each other: one alone, if it is given in °F; otherwise all three."""
    if not (-90 < temperature < 90 and -90 < dew_point < 90):
        return ()
    tolerance = MAX_HUMIDITY_DIFFERENCE + max(0.0, -temperature)
    if abs(relative_humidity(temperature, dew_point) - humidity) <= tolerance:
        return ()
    if abs(relative_humidity((temperature - 32) / 1.8, dew_point) - humidity) <= tolerance / 2:
        return ("temperature",)
    if abs(relative_humidity(temperature, (dew_point - 32) / 1.8) - humidity) <= tolerance / 2:
        return ("dew_point",)
    return ("temperature", "humidity", "dew_point")


def _is_station_pressure(pressure: float, elevation: float) -> bool:
    """Whether a low pressure is an ordinary one of the station, not of sea level."""
    drop = pressure_drop(elevation)
    return drop >= MIN_STATION_DROP and abs(pressure + drop - 1013.25) <= ORDINARY_DEVIATION

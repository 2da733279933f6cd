"""The weather of a place at an instant, from which all simulated providers answer, and values derived from it."""

from __future__ import annotations

import math
from datetime import datetime
from typing import Protocol

import msgspec

from ..model import sun
from ..model.quantities import QUANTITIES
from .conditions import Condition
from .geography import Spot


class Weather(msgspec.Struct, frozen=True, kw_only=True):
    """Weather in the units of ``model/quantities.py``; None means "not known", and is left out of all answers."""

    #: The instant of the values, and the end of the hour in which the precipitation fell.
    at: datetime
    temperature: float | None = None
    humidity: float | None = None
    pressure: float | None = None
    wind_speed: float | None = None
    wind_direction: float | None = None
    wind_gust: float | None = None
    cloud_cover: float | None = None
    visibility: float | None = None
    #: Rain and snow (water equivalent) of the hour [mm]; both None if not measured.
    rain: float | None = None
    snow: float | None = None
    condition: Condition | None = None

    @property
    def precipitation(self) -> float | None:
        """The sum of rain and snow [mm]."""
        return None if self.rain is None or self.snow is None else round(self.rain + self.snow, 2)

    def truth(self) -> dict[str, float | str | None]:
        """The simulated canonical values by name, ``precipitation_period`` [s], and ``condition`` in OpenWeatherMap's words."""
        values: dict[str, float | str | None] = {
            quantity.name: getattr(self, quantity.name) for quantity in QUANTITIES if hasattr(self, quantity.name)
        }
        values["precipitation_period"] = None if self.precipitation is None else 3600
        values["condition"] = self.condition.owm_description if self.condition else None
        return values


class Source(Protocol):
    """A source of weather: the model or a recorded series."""

    def find(self, latitude: float, longitude: float) -> Spot | None:
        """The place of a point; None if the provider does not know the point."""
        ...

    def weather(self, spot: Spot, at: datetime) -> Weather:
        """The weather at the latest data time at or before ``at``."""
        ...


def apparent_temperature(temperature: float | None, humidity: float | None, wind_speed: float | None) -> float | None:
    """Apparent temperature [°C] from temperature [°C], humidity [%] and wind [m/s]; the temperature if one is unknown.

    Steadman's formula, as published by the Australian Bureau of Meteorology.
    """
    if temperature is None or humidity is None or wind_speed is None:
        return temperature
    vapour = humidity / 100 * 6.105 * math.exp(17.27 * temperature / (237.7 + temperature))
    return temperature + 0.33 * vapour - 0.70 * wind_speed - 4.0


def station_pressure(pressure: float | None, elevation: float) -> float | None:
    """Pressure at ``elevation`` [m] from the pressure at sea level, both in hPa (ICAO standard atmosphere)."""
    return None if pressure is None else pressure * (1 - 2.25577e-5 * elevation) ** 5.25588


def dew_point(temperature: float | None, humidity: float | None) -> float | None:
    """Dew point [°C] from temperature [°C] and relative humidity [%], by Magnus's formula (WMO-No. 8)."""
    if temperature is None or not humidity:
        return None
    exponent = math.log(humidity / 100) + 17.62 * temperature / (243.12 + temperature)
    return round(243.12 * exponent / (17.62 - exponent), 2)


def uv_index(spot: Spot, at: datetime) -> float:
    """UV index of a clear sky, by the height of the sun alone."""
    height = sun.elevation(spot.coordinates.latitude, spot.coordinates.longitude, at)
    return round(max(0.0, height / 8), 2)

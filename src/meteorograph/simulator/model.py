"""Synthetic weather for any point and time: seasons, day and night, and travelling fronts.

A pure function of its arguments. The weather is plausible, not realistic: the model ignores sea and mountains.
"""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta

from . import conditions
from .geography import Spot, spot_at
from .waves import make_fields
from .weather import Weather

#: The weather changes at whole multiples of this, like that of OpenWeatherMap.
UPDATE_INTERVAL = timedelta(minutes=10)
_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
#: Eastward speed of weather systems [degree/h].
DRIFT = 10 / 24
#: Smallest hourly amount of precipitation [mm].
MIN_AMOUNT = 0.05


def floor_time(at: datetime, step: timedelta) -> datetime:
    """The last whole multiple of ``step`` at or before ``at``."""
    return at - (at - _EPOCH) % step


def _bump(value: float, centre: float, width: float) -> float:
    """A bell curve: 1 at ``centre``, falling to 0 over ``width``."""
    return math.exp(-(((value - centre) / width) ** 2))


def _clamp(value: float, low: float, high: float) -> float:
    return max(low, min(high, value))


def climate(latitude: float, at: datetime) -> float:
    """Daily mean temperature [°C] by latitude and season."""
    sine = abs(math.sin(math.radians(latitude)))
    day = (at - datetime(at.year, 1, 1, tzinfo=UTC)) / timedelta(days=365.25)
    season = math.cos(2 * math.pi * (day - 0.56)) * math.copysign(1, latitude)
    antarctic = 26 * max(0.0, (-60 - latitude) / 30)
    return 27 - 45 * math.pow(sine, 3) - antarctic + 14 * math.pow(sine, 1.3) * season


def relative_humidity(temperature: float, dew_point: float) -> float:
    """Relative humidity [%] from temperature and dew point [°C], by Magnus's formula (WMO-No. 8)."""

    def exponent(celsius: float) -> float:
        return 17.62 * celsius / (243.12 + celsius)

    return 100 * math.exp(exponent(dew_point) - exponent(temperature))


def _wetness_of_latitude(latitude: float) -> float:
    """Effect of the general circulation on rain: more in the tropics and the storm tracks, less in the deserts."""
    off = abs(latitude)
    return 0.2 * _bump(off, 0, 12) - 0.3 * _bump(off, 25, 9) + 0.15 * _bump(off, 55, 14)


def _wind(latitude: float, zonal: float, meridional: float, low: float) -> tuple[float, float]:
    """Wind speed [m/s] and direction from which it blows [degree]."""
    off = abs(latitude)
    stormy = 1 + 0.3 * max(0.0, low)
    east = (4 * _bump(off, 50, 18) - 3 * _bump(off, 12, 14) + 3 * zonal) * stormy
    north = 3 * meridional * stormy
    return math.hypot(east, north), math.degrees(math.atan2(-east, -north)) % 360


def weather(latitude: float, longitude: float, at: datetime, seed: int) -> Weather:
    """The weather at a point and instant, with the decimals of OpenWeatherMap."""
    fields = make_fields(seed)
    hours = (at - _EPOCH) / timedelta(hours=1)
    lat, lon = math.radians(latitude), math.radians(longitude - DRIFT * hours)
    point = (math.cos(lat) * math.cos(lon), math.cos(lat) * math.sin(lon), math.sin(lat))
    high, quarter = fields.pressure.pair(point, hours)
    wetness = 0.7 * (fields.front.value(point, hours) - high) + _wetness_of_latitude(latitude)
    cloud = 1 / (1 + math.exp(-1.9 * wetness - 0.2))

    solar = 2 * math.pi * ((hours + longitude / 15) % 24) / 24
    middle = math.sin(abs(lat)) ** 2
    day_swing = 5.5 * math.cos(lat) * (1 - 0.6 * cloud) * math.cos(solar - math.radians(225))
    temperature = climate(latitude, at) + day_swing + (1.2 + 4 * middle) * fields.air_mass.value(point, hours)
    temperature = _clamp(temperature, -75, 55)
    dryness = 0.4 + 13 * math.pow(1 - cloud, 1.3) * (0.35 + 0.65 * math.cos(lat)) + 0.25 * max(0.0, day_swing)
    humidity = _clamp(relative_humidity(temperature, temperature - dryness), 3, 100)

    tide = 1.2 * math.cos(lat) ** 2 * math.cos(2 * solar - math.radians(300))
    belts = 5 * _bump(abs(latitude), 30, 12) - 8 * _bump(latitude, -62, 12) - 3 * _bump(latitude, 60, 12)
    pressure = _clamp(1012 + belts + tide + (2 + 10 * middle) * high, 942, 1058)

    amount = 1.5 * math.pow(max(0.0, wetness - 0.8), 1.5) * _clamp((temperature + 45) / 60, 0.2, 1.3)
    amount = round(amount, 2) if amount >= MIN_AMOUNT else 0.0
    snow = round(amount * _clamp((2 - temperature) / 2, 0, 1), 2)
    rain = round(amount - snow, 2)
    visibility = round(_clamp(16000 - 3500 * amount - 450 * max(0.0, humidity - 80), 200, 10000))
    speed, direction = _wind(latitude, fields.zonal.value(point, hours), quarter, -high)
    gust = speed * (1.25 + 0.5 * cloud)
    cover = round(100 * cloud)
    return Weather(
        at=at,
        temperature=round(temperature, 2),
        humidity=round(humidity),
        pressure=round(pressure, 1),
        wind_speed=round(speed, 2),
        wind_direction=round(direction) % 360,
        # Stations only report strong gusts.
        wind_gust=round(gust, 2) if gust >= 6 else None,
        cloud_cover=cover,
        visibility=visibility,
        rain=rain,
        snow=snow,
        condition=conditions.of_precipitation(rain, snow) or conditions.of_sky(cover, visibility),
    )


class Model:
    """The model as a source for the whole earth."""

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def find(self, latitude: float, longitude: float) -> Spot | None:
        """The point itself, since the model knows all points."""
        return spot_at(latitude, longitude)

    def weather(self, spot: Spot, at: datetime) -> Weather:
        """The weather at the last update."""
        return weather(spot.coordinates.latitude, spot.coordinates.longitude, floor_time(at, UPDATE_INTERVAL), self.seed)

"""Made-up weather for any point and time: seasons, day and night, and fronts that travel.

A pure function of its arguments. It is plausible, not right: sea and mountains do not matter to it.
"""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta

from . import conditions
from .geography import Spot, spot_at
from .waves import fields_of
from .weather import Weather

#: The weather is renewed at whole multiples of this, as OpenWeatherMap's is.
STEP = timedelta(minutes=10)
_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
#: How fast weather systems move eastward [degree/h].
DRIFT = 10 / 24
#: Least hourly amount that counts as precipitation [mm].
WET = 0.05


def floor(at: datetime, step: timedelta) -> datetime:
    """The last whole multiple of ``step`` not after ``at``."""
    return at - (at - _EPOCH) % step


def _bump(value: float, centre: float, width: float) -> float:
    """One at ``centre``, falling to 0 over ``width``."""
    return math.exp(-(((value - centre) / width) ** 2))


def _clamp(value: float, low: float, high: float) -> float:
    return max(low, min(high, value))


def climate(latitude: float, at: datetime) -> float:
    """Mean temperature of the day by latitude and season [°C]."""
    sine = abs(math.sin(math.radians(latitude)))
    day = (at - datetime(at.year, 1, 1, tzinfo=UTC)) / timedelta(days=365.25)
    season = math.cos(2 * math.pi * (day - 0.56)) * math.copysign(1, latitude)
    antarctic = 26 * max(0.0, (-60 - latitude) / 30)
    return 27 - 45 * math.pow(sine, 3) - antarctic + 14 * math.pow(sine, 1.3) * season


def relative_humidity(temperature: float, dew_point: float) -> float:
    """Relative humidity [%] by Magnus's formula (WMO-No. 8), of temperature and dew point [°C]."""

    def exponent(celsius: float) -> float:
        return 17.62 * celsius / (243.12 + celsius)

    return 100 * math.exp(exponent(dew_point) - exponent(temperature))


def _wetness_of_latitude(latitude: float) -> float:
    """How much the general circulation favours rain: the tropics and the storm tracks, not the deserts."""
    off = abs(latitude)
    return 0.2 * _bump(off, 0, 12) - 0.3 * _bump(off, 25, 9) + 0.15 * _bump(off, 55, 14)


def _wind(latitude: float, zonal: float, meridional: float, low: float) -> tuple[float, float]:
    """Speed [m/s] and the direction it blows from [degree]."""
    off = abs(latitude)
    stormy = 1 + 0.3 * max(0.0, low)
    east = (4 * _bump(off, 50, 18) - 3 * _bump(off, 12, 14) + 3 * zonal) * stormy
    north = 3 * meridional * stormy
    return math.hypot(east, north), math.degrees(math.atan2(-east, -north)) % 360


def weather(latitude: float, longitude: float, at: datetime, seed: int) -> Weather:
    """The weather at a point and instant, in the decimals that OpenWeatherMap gives."""
    fields = fields_of(seed)
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
    amount = round(amount, 2) if amount >= WET else 0.0
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
        # Both providers' stations report a gust only when there is one to speak of.
        wind_gust=round(gust, 2) if gust >= 6 else None,
        cloud_cover=cover,
        visibility=visibility,
        rain=rain,
        snow=snow,
        condition=conditions.of_precipitation(rain, snow) or conditions.of_sky(cover, visibility),
    )


class Model:
    """The whole earth as a source."""

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def find(self, latitude: float, longitude: float) -> Spot | None:
        """The point itself: the model knows every place."""
        return spot_at(latitude, longitude)

    def weather(self, spot: Spot, at: datetime) -> Weather:
        """The weather there at the last whole step."""
        return weather(spot.coordinates.latitude, spot.coordinates.longitude, floor(at, STEP), self.seed)

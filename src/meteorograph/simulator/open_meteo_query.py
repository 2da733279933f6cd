"""Parse a query to Open-Meteo, and refuse it like the real server.

Source: https://open-meteo.com/en/docs and https://github.com/open-meteo/open-meteo
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from typing import NamedTuple
from zoneinfo import ZoneInfo, available_timezones

from .geography import spot_at
from .refusals import NotSimulatedError, refuse_values

FORECAST = "/v1/forecast"
ARCHIVE = "/v1/archive"
#: Most locations of one call, and its largest weight.
MAX_LOCATIONS = 1000
MAX_WEIGHT = 5000

VARIABLES = (
    *("temperature_2m", "relative_humidity_2m", "pressure_msl", "wind_speed_10m", "wind_direction_10m", "wind_gusts_10m"),
    *("cloud_cover", "visibility", "precipitation", "rain", "snowfall", "weather_code"),
    *("dew_point_2m", "apparent_temperature", "surface_pressure", "is_day", "showers"),
)
DAILY_VARIABLES = (
    *("temperature_2m_max", "temperature_2m_min", "temperature_2m_mean", "precipitation_sum", "rain_sum", "snowfall_sum"),
    *("wind_speed_10m_max", "wind_gusts_10m_max", "weather_code", "sunrise", "sunset"),
)
#: Variables of the real server that are not simulated; those with an ending or of a height or depth too.
_OTHER_VARIABLES = (
    *("apparent_temperature_", "cape", "cloud_cover_", "daylight_duration", "diffuse_", "direct_", "dew_point_2m_", "et0_"),
    *(
        "evapotranspiration",
        "freezing_level",
        "global_tilted_",
        "precipitation_hours",
        "precipitation_probability",
        "pressure_msl_",
    ),
    *("relative_humidity_2m_", "shortwave_", "showers_", "snow_depth", "soil_", "sunshine_duration", "surface_", "temperature_"),
    *("terrestrial_", "uv_index", "vapour_pressure", "visibility_", "wet_bulb", "wind_direction_", "wind_speed_"),
)
#: Parameters that the simulator obeys, and those that do not change simulated weather.
PARAMETERS = (
    *("latitude", "longitude", "current", "hourly", "daily", "minutely_15", "current_weather", "format", "timezone"),
    *("start_date", "end_date", "start_hour", "end_hour", "past_days", "forecast_days"),
    *("past_minutely_15", "forecast_minutely_15", "temperature_unit", "wind_speed_unit", "precipitation_unit", "timeformat"),
    *("apikey", "elevation", "cell_selection"),
)
#: Parameter → its values, the first of which is the default.
CHOICES = {
    "temperature_unit": ("celsius", "fahrenheit"),
    "wind_speed_unit": ("kmh", "ms", "mph", "kn"),
    "precipitation_unit": ("mm", "inch"),
    "timeformat": ("iso8601", "unixtime"),
}
#: Interval of ``minutely_15``, and of ``current`` and its precipitation.
QUARTER = timedelta(minutes=15)
_HOUR = timedelta(hours=1)
_DAY = timedelta(days=1)
_PAST_DAYS = 92
_FORECAST_DAYS = 16


class RefusedError(Exception):
    """The query is refused; the text is the reason in the server's words."""


class Query(NamedTuple):
    """A parsed query."""

    points: tuple[tuple[float, float], ...]
    current: tuple[str, ...]
    hourly: tuple[str, ...]
    minutely_15: tuple[str, ...]
    daily: tuple[str, ...]
    #: The quarters of an hour.
    quarters: tuple[datetime, ...]
    #: The hours, both ends included, on the wall clock of the zone as if it were UTC; the quarters too.
    start: datetime
    end: datetime
    #: IANA name of the time zone, or "auto" for that of each point.
    zone: str
    has_current_weather: bool
    #: The chosen value of each parameter of ``CHOICES``.
    chosen: Mapping[str, str]

    @property
    def weight(self) -> float:
        """Its weight in calls: ten variables over two weeks at one location count as one call."""
        variables = (len(self.current) + len(self.minutely_15) + len(self.hourly) + len(self.daily)) / 10
        weeks = (self.end + _HOUR - self.start) // _DAY / 14
        return len(self.points) * max(1.0, variables, variables * weeks)

    @property
    def hours(self) -> list[datetime]:
        """All requested hours."""
        return [self.start + hours * _HOUR for hours in range((self.end - self.start) // _HOUR + 1)]

    def zone_of(self, point: tuple[float, float]) -> str:
        """IANA name of the time zone of the times for a point."""
        return spot_at(*point).zone if self.zone == "auto" else self.zone


def utc_offset(zone: str, now: datetime) -> timedelta:
    """The offset of a zone at ``now``, which the server applies to all times of an answer."""
    return now.astimezone(ZoneInfo(zone)).utcoffset() or timedelta(0)


def parse_query(path: str, query: Mapping[str, str], now: datetime) -> Query:
    """Parse a query.

    Raises:
        RefusedError: The query is invalid.
        NotSimulatedError: The query is valid, but not simulated.
    """
    for name in query:
        if name not in PARAMETERS:
            raise NotSimulatedError(f"the parameter {name}")
    refuse_values(query, format=("json",))
    points = _points(query)
    zone = _zone(query)
    now += utc_offset(spot_at(*points[0]).zone if zone == "auto" else zone, now)
    start, end = _range(path, query, now)
    chosen = {name: query.get(name, allowed[0]) for name, allowed in CHOICES.items()}
    for name, value in chosen.items():
        if value not in CHOICES[name]:
            raise RefusedError(f"Cannot initialize parameter {name} from invalid String value {value}")
    sections = {section: _variables(query, section) for section in ("current", "hourly", "minutely_15", "daily")}
    if sections["daily"] and "timezone" not in query:
        raise RefusedError("Timezone is required")
    quarters = _quarters(query, now, start, end)
    has_current = query.get("current_weather", "").lower() in ("true", "1")
    parsed = Query(
        points, **sections, quarters=quarters, start=start, end=end, chosen=chosen, zone=zone, has_current_weather=has_current
    )
    if len(points) > MAX_LOCATIONS:
        raise RefusedError(f"Only up to {MAX_LOCATIONS} locations can be requested at once")
    if parsed.weight > MAX_WEIGHT:
        raise RefusedError("Your API call requests too much data. Please reduce the number of variables, locations.")
    return parsed


def _points(query: Mapping[str, str]) -> tuple[tuple[float, float], ...]:
    coordinates: dict[str, list[float]] = {}
    for name, limit in (("latitude", 90), ("longitude", 180)):
        try:
            coordinates[name] = [float(text) for text in query.get(name, "").split(",")]
        except ValueError:
            raise RefusedError(f"Parameter '{name}' must be a number") from None
        for value in coordinates[name]:
            if not abs(value) <= limit:
                raise RefusedError(f"{name.title()} must be in range of -{limit} to {limit}°. Given: {value}.")
    if len(coordinates["latitude"]) != len(coordinates["longitude"]):
        raise RefusedError("Parameter 'latitude' and 'longitude' must have the same amount of elements")
    return tuple(zip(coordinates["latitude"], coordinates["longitude"], strict=True))


def _variables(query: Mapping[str, str], section: str) -> tuple[str, ...]:
    names = tuple(name for name in query.get(section, "").split(",") if name)
    known = DAILY_VARIABLES if section == "daily" else VARIABLES
    for name in names:
        if name not in known and name.startswith((*_OTHER_VARIABLES, *DAILY_VARIABLES, *VARIABLES)):
            raise NotSimulatedError(f"the variable {name} of {section}")
        if name not in known:
            raise RefusedError(f"Cannot initialize ForecastVariable from invalid String value {name} for key {section}")
    return names


def _zone(query: Mapping[str, str]) -> str:
    zone = query.get("timezone", "GMT")
    if zone != "auto" and zone not in _zones():
        raise RefusedError("Invalid timezone")
    return zone


@cache
def _zones() -> frozenset[str]:
    return frozenset(available_timezones())  # walks through a folder of files each time


def _range(path: str, query: Mapping[str, str], now: datetime) -> tuple[datetime, datetime]:
    today = now.date()
    first, last = today - _PAST_DAYS * _DAY, today + (_FORECAST_DAYS - 1) * _DAY
    if path == ARCHIVE:
        first, last = date(1940, 1, 1), today
    for unit, longest in (("hour", timedelta(0)), ("date", 23 * _HOUR)):
        if f"start_{unit}" in query and f"end_{unit}" in query:
            start, end = _instant(query, f"start_{unit}"), _instant(query, f"end_{unit}")
            for name, at in (("start", start), ("end", end)):
                if not first <= at.date() <= last:
                    raise RefusedError(f"Parameter '{name}_{unit}' is out of allowed range from {first} to {last}")
            if end < start:
                raise RefusedError("End-date must be larger or equals than start-date")
            return start, end + longest
    if path == ARCHIVE:
        raise RefusedError("Both 'start_date' and 'end_date' must be set in the url")
    past, ahead = _count(query, "past_days", 0, _PAST_DAYS), _count(query, "forecast_days", 7, _FORECAST_DAYS)
    midnight = datetime.combine(today, time(), UTC)
    return midnight - past * _DAY, midnight + ahead * _DAY - _HOUR


def _quarters(query: Mapping[str, str], now: datetime, start: datetime, end: datetime) -> tuple[datetime, ...]:
    """The requested quarters of an hour: so many before and from the current one on, or all of the hours."""
    if "past_minutely_15" not in query and "forecast_minutely_15" not in query:
        return tuple(start + number * QUARTER for number in range((end + _HOUR - start) // QUARTER))
    past, ahead = (_count(query, f"{part}_minutely_15", 0, _FORECAST_DAYS * 96) for part in ("past", "forecast"))
    current = now - (now - datetime.combine(now.date(), time(), UTC)) % QUARTER
    return tuple(current + number * QUARTER for number in range(-past, ahead))


def _instant(query: Mapping[str, str], name: str) -> datetime:
    try:
        return datetime.fromisoformat(query[name]).replace(minute=0, tzinfo=UTC)
    except ValueError:
        raise RefusedError(f"Invalid date format in parameter '{name}'") from None


def _count(query: Mapping[str, str], name: str, default: int, most: int) -> int:
    text = query.get(name, str(default))
    if not text.isdecimal() or int(text) > most:
        title = name.replace("_", " ").capitalize()
        raise RefusedError(f"{title} is invalid. Allowed range 0 to {most}. Given {text}.")
    return int(text)

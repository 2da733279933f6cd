"""Daily values of Open-Meteo, from the hours of the local day."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from ..model import sun
from .geography import Spot

_HOUR = timedelta(hours=1)
#: Variable → hourly variable, and how the day follows from its hours.
_FROM_HOURS: dict[str, tuple[str, Callable[[list[float]], float]]] = {
    "temperature_2m_max": ("temperature_2m", max),
    "temperature_2m_min": ("temperature_2m", min),
    "temperature_2m_mean": ("temperature_2m", lambda values: sum(values) / len(values)),
    "precipitation_sum": ("precipitation", sum),
    "rain_sum": ("rain", sum),
    "snowfall_sum": ("snowfall", sum),
    "wind_speed_10m_max": ("wind_speed_10m", max),
    "wind_gusts_10m_max": ("wind_gusts_10m", max),
    "weather_code": ("weather_code", max),
}


def daily_labels(names: Sequence[str], labels: Mapping[str, str]) -> dict[str, str]:
    """The units of daily variables, from those of hourly ones and of the times."""
    units = {
        "temperature": labels["temperature_2m"],
        "precipitation": labels["precipitation"],
        "rain": labels["precipitation"],
        "snowfall": labels["snowfall"],
        "wind": labels["wind_speed_10m"],
        "weather": "wmo code",
    }
    return {name: units.get(name.partition("_")[0], labels["time"]) for name in names}


def daily_columns(
    names: Sequence[str],
    times: Sequence[datetime],
    hours: Sequence[Mapping[str, float | None]],
    spot: Spot,
    shown: Callable[[datetime], int | str],
) -> dict[str, Sequence[Any]]:
    """Columns of days from 24 hours each, which begin at local midnight."""
    starts = range(0, len(times) - 23, 24)
    columns: dict[str, Sequence[Any]] = {"time": [_day(shown(times[start])) for start in starts]}
    for name in names:
        columns[name] = [_value(name, times[start], hours[start : start + 24], spot, shown) for start in starts]
    return columns


def _day(time: int | str) -> int | str:
    return time if isinstance(time, int) else time.partition("T")[0]


def _value(
    name: str,
    midnight: datetime,
    hours: Sequence[Mapping[str, float | None]],
    spot: Spot,
    shown: Callable[[datetime], int | str],
) -> Any:
    if name in ("sunrise", "sunset"):
        times = sun.rise_and_set(spot.coordinates.latitude, spot.coordinates.longitude, midnight + 12 * _HOUR)
        return shown(times[name == "sunset"].replace(second=0)) if times else None
    hourly, combine = _FROM_HOURS[name]
    values = [value for hour in hours if (value := hour.get(hourly)) is not None]
    return round(combine(values), 4) if values else None

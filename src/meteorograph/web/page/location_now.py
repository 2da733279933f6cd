"""The weather of a place now: what the head of its page shows."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from markupsafe import Markup
from sqlalchemy.orm import Session

from ...i18n import Phrase
from ...locations.repository import get_location
from ...model import sun
from ...model.feels_like import feels_like
from ...model.flags import is_suspect
from ...model.statistics import Statistics
from ...model.time_buckets import zone_or_utc
from ...model.valid_time import is_whole
from ...reading.aggregates import read_buckets
from ...reading.overview import DayOfPlace, read_days
from ...reading.ranges import read_ranges
from ...reading.rows import WeatherRow
from .icons import icon, icon_name

_HOUR: Final = timedelta(hours=1)

#: Terms of the UK Met Office for a change over three hours, below this many hPa
#: (https://www.metoffice.gov.uk/weather/guides/coast-and-sea/glossary).
_TENDENCIES: Final = (
    (0.1, Phrase("steady"), Phrase("steady")),
    (1.6, Phrase("rising slowly"), Phrase("falling slowly")),
    (3.6, Phrase("rising"), Phrase("falling")),
    (6.05, Phrase("rising quickly"), Phrase("falling quickly")),
    (math.inf, Phrase("rising very rapidly"), Phrase("falling very rapidly")),
)


@dataclass(frozen=True, slots=True)
class RainTotal:
    """Precipitation of a time that ends now, or with the newest observation."""

    #: [mm]; None if nothing of the time is measured.
    amount: float | None
    #: Part of the time that is measured, and how long that time is [s].
    coverage: float
    seconds: float
    #: When the time begins and ends (aware UTC).
    start: datetime
    end: datetime
    #: A time in the month, in the zone of the place, if it is a month.
    month: datetime | None = None

    @property
    def is_partial(self) -> bool:
        """Whether more may have fallen."""
        return self.amount is not None and not is_whole(self.coverage, self.seconds)


@dataclass(frozen=True, slots=True)
class PlaceNow:
    """The newest values and what follows from them."""

    row: WeatherRow
    at: datetime
    icon: Markup | None
    icon_name: str | None
    feels_like: float | None
    day: DayOfPlace
    rain: tuple[RainTotal, ...]
    #: Change of the pressure in the three hours before [hPa], and in words.
    tendency: float | None
    tendency_words: str
    #: Quantities with a suspect value.
    suspects: frozenset[str]


def read_now(session: Session, row: WeatherRow, now: datetime) -> PlaceNow:
    """Read what belongs to the newest row of a place."""
    location, at = get_location(session, row.location), row.observed_at or row.due_at
    name = icon_name(row.weather_code, row.condition, row.cloud_cover)
    is_night = sun.elevation(location.latitude, location.longitude, at) < sun.HORIZON
    suspects = frozenset(name for name, flags in (row.flags or {}).items() if is_suspect(flags))
    day, tendency = read_days(session, [location], now)[location.id], _tendency(session, location.id, row, at)
    heat = (row.temperature, row.humidity, row.wind_speed)
    return PlaceNow(
        row=row,
        at=at,
        icon=icon(name, is_night=is_night) if name else None,
        icon_name=name,
        feels_like=None if {"temperature", "humidity", "wind_speed"} & suspects else feels_like(*heat),
        day=day,
        rain=(
            _rain_of_hour(session, location.id, at),
            _rain_of_day(day, now),
            _rain_of_month(session, row, location.timezone, now),
        ),
        tendency=None if "pressure" in suspects else tendency,
        tendency_words=tendency_words(tendency),
        suspects=suspects,
    )


def tendency_words(change: float | None) -> str:
    """A change of pressure over three hours [hPa] in words."""
    if change is None:
        return ""
    return next(rising if change > 0 else falling for limit, rising, falling in _TENDENCIES if round(abs(change), 2) < limit)


def _tendency(session: Session, location_id: int, row: WeatherRow, at: datetime) -> float | None:
    """The pressure now less that of three hours ago: the mean of the hour around that instant."""
    if row.pressure is None:
        return None
    edges = tuple((at - hours * _HOUR).timestamp() for hours in (3.5, 2.5))
    before = read_ranges(session, {location_id: edges}, ("pressure",))[location_id].each("pressure")[0]["mean"]
    return None if before is None else row.pressure - before


def _rain_of_hour(session: Session, location_id: int, at: datetime) -> RainTotal:
    """The hour up to the newest observation."""
    edges = tuple((at - hours * _HOUR).timestamp() for hours in (1, 0))
    [total] = read_ranges(session, {location_id: edges}, ("precipitation",))[location_id].each("precipitation")
    return _total(total, 3600.0, at - _HOUR, at)


def _rain_of_day(day: DayOfPlace, now: datetime) -> RainTotal:
    end = now.replace(second=0, microsecond=0)
    return RainTotal(day.rain, day.rain_coverage, 86_400.0, end - 24 * _HOUR, end)


def _rain_of_month(session: Session, row: WeatherRow, timezone: str | None, now: datetime) -> RainTotal:
    """The month of the place so far."""
    zone = zone_or_utc(timezone)
    buckets = read_buckets(
        session, location=row.location, start=now, end=now + timedelta(seconds=1), bucket="month", quantities=("precipitation",)
    )
    month = buckets[0]
    seconds = max(1.0, (now - month.start).total_seconds())
    total = _total(month.values["precipitation"], seconds, month.start, now.replace(second=0, microsecond=0))
    return replace(total, month=now.astimezone(zone))


def _total(total: Statistics, seconds: float, start: datetime, end: datetime) -> RainTotal:
    return RainTotal(total["sum"], min(1.0, (total["covered_seconds"] or 0.0) / seconds), seconds, start, end)

"""``/climate``: the months, records and winds of one location."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from flask import Response, request
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from ...errors import BadInputError
from ...i18n import DateStyle, Phrase
from ...locations.repository import get_location
from ...model import clock
from ...model.time_buckets import zone_or_utc
from ...reading import climate
from ...reading.aggregates import read_buckets
from ...reading.climate import Day, Month
from ...storage.archive.ranges import sealed_edges
from ...storage.engine import get_db_session
from ...storage.models import WeatherData
from .layout import blueprint, render
from .preferences import read_preferences, refuse_unknown
from .wind_rose import wind_rose_picture

#: What the records are: title, quantity, value of a day, and which day is chosen.
_RECORDS: Final[Sequence[tuple[Phrase, str, Any, Any]]] = (
    (Phrase("Highest temperature"), "temperature", lambda day: day.high, max),
    (Phrase("Lowest temperature"), "temperature", lambda day: day.low, min),
    (Phrase("Wettest day"), "precipitation", lambda day: day.rain, max),
    (Phrase("Strongest gust"), "wind_gust", lambda day: day.gust, max),
    (Phrase("Highest pressure"), "pressure", lambda day: day.pressure_high, max),
    (Phrase("Lowest pressure"), "pressure", lambda day: day.pressure_low, min),
)


@blueprint.get("/climate")
def climate_page() -> Response:
    """The page with the climate of a location."""
    refuse_unknown(("location", "year"))
    name, now = request.args.get("location", ""), clock.now()
    with get_db_session(read_only=True) as session:
        location = get_location(session, name)
        zone = zone_or_utc(location.timezone)
        first = _first_slot(session, location.id) or now
        years = range(first.astimezone(zone).year, now.astimezone(zone).year + 1)
        year = _year(years)
        days = _read_days(session, location.name, first, now, zone)
        hours = read_buckets(
            session,
            location=location.name,
            start=max(first, datetime(year, 1, 1, tzinfo=zone)),
            end=min(now, datetime(year + 1, 1, 1, tzinfo=zone)),
            bucket="hour",
            quantities=("wind_speed", "wind_direction"),
        )
    language = read_preferences().language
    months, rose = climate.months_of(days), climate.wind_rose(hours)
    return render(
        "climate.html",
        place_zone=location.timezone,
        location=location,
        year=year,
        years=list(years),
        months=[month for month in months if month.year == year],
        table=_by_year(months),
        records=[
            (title, quantity, found)
            for title, quantity, value_of, choose in _RECORDS
            if (found := climate.extreme(days, value_of, choose)) is not None
        ],
        first=days[0].day if days else None,
        measured=sum(day.is_measured for day in days),
        rose=rose,
        picture=wind_rose_picture(rose, language.say("Wind rose of {year}", year=str(year)), language) if rose else None,
        names=[language.date(date(year, month, 1), DateStyle.MONTH) for month in range(1, 13)],
        speeds=climate.SPEEDS,
        base=climate.BASE,
        rain_day=climate.RAIN_DAY,
    )


def _year(years: range) -> int:
    text = request.args.get("year")
    if text is None:
        return years[-1]
    if not (text.isascii() and text.isdigit() and int(text) in years):
        raise BadInputError("year", text, f"must be a year from {years[0]} to {years[-1]}")
    return int(text)


def _first_slot(session: Session, location_id: int) -> datetime | None:
    newest = session.scalar(select(func.min(WeatherData.due_at)).where(WeatherData.location_id == location_id))
    sealed = sealed_edges(session, location_id)
    return min((at for at in (newest, sealed and sealed[0]) if at), default=None)


def _read_days(session: Session, name: str, first: datetime, now: datetime, zone: ZoneInfo) -> list[Day]:
    buckets = read_buckets(session, location=name, start=first, end=now, bucket="day", quantities=climate.QUANTITIES)
    return climate.days_of_buckets([bucket for bucket in buckets if bucket.start <= now], zone)


def _by_year(months: Sequence[Month]) -> dict[int, list[Month | None]]:
    """Year → its twelve months, newest first."""
    table: dict[int, list[Month | None]] = {}
    for month in reversed(months):
        table.setdefault(month.year, [None] * 12)[month.month - 1] = month
    return table

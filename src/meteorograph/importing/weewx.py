"""Reads the archive of WeeWX (table ``archive`` of ``weewx.sdb``).

Source: the schema ``wview_extended`` and https://weewx.com/docs/latest/reference/units/. A record has the values of the
interval that ends at ``dateTime``; ``rain`` is what fell in it. The units follow from ``usUnits`` of each record, whatever the
settings of WeeWX say today.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

from ..errors import HistoryFileError
from .entries import Entry, ImportedRow, RefusedRow, Source, make_observation, refusal
from .foreign_database import columns_of
from .units import conversion


class _UnitSystem(NamedTuple):
    """The units of one value of ``usUnits``."""

    temperature: str
    pressure: str
    speed: str
    rain: str


#: US, METRIC and METRICWX: https://weewx.com/docs/latest/reference/units/
_SYSTEMS: Final = {
    1: _UnitSystem("°F", "inHg", "mi/h", "in"),
    16: _UnitSystem("°C", "hPa", "km/h", "cm"),
    17: _UnitSystem("°C", "hPa", "m/s", "mm"),
}

#: Column → quantity, and which unit it has.
_COLUMNS: Final = {
    "outTemp": ("temperature", "temperature"),
    "outHumidity": ("humidity", "%"),
    "dewpoint": ("dew_point", "temperature"),
    "barometer": ("pressure", "pressure"),
    "pressure": ("station_pressure", "pressure"),
    "altimeter": ("altimeter_setting", "pressure"),
    "windSpeed": ("wind_speed", "speed"),
    "windDir": ("wind_direction", "degree"),
    "windGust": ("wind_gust", "speed"),
    "UV": ("uv_index", "1"),
    "rain": ("precipitation", "rain"),
}

_KEYS: Final = frozenset({"dateTime", "usUnits", "interval"})


def read_weewx(database: sqlite3.Connection, provider: str, now: datetime) -> Source:
    """The records of an archive.

    Raises:
        HistoryFileError: The database has no archive of WeeWX.
    """
    columns = columns_of(database, "archive")
    if not columns >= _KEYS:
        raise HistoryFileError("the database has no table archive with dateTime, usUnits and interval, as WeeWX makes it")
    source = Source(iter(()), line_word="record")
    source.entries = _read(database, [name for name in _COLUMNS if name in columns], provider, now, source)
    return source


def _read(database: sqlite3.Connection, names: list[str], provider: str, now: datetime, source: Source) -> Iterator[Entry]:
    selected = ", ".join(f'"{name}"' for name in ("dateTime", "usUnits", "interval", *names))
    query = f"SELECT {selected} FROM archive ORDER BY dateTime"  # noqa: S608  # names of our table
    for record in database.execute(query):
        system = _SYSTEMS.get(record["usUnits"])
        number = record["dateTime"]
        at = _instant(number)
        if at is None:
            yield RefusedRow(number, refusal("dateTime", number, "must be a time in Unix seconds"))
            continue
        if system is None:
            reason = refusal("usUnits", record["usUnits"], "must be 1 (US), 16 (METRIC) or 17 (METRICWX)")
            yield RefusedRow(number, reason)
            continue
        yield _read_record(record, at, names, system, (provider, now), source)


def _instant(seconds: object) -> datetime | None:
    """The time of a record; None if the value is not a time."""
    if not isinstance(seconds, int | float):
        return None
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        return None


def _read_record(
    record: sqlite3.Row, at: datetime, names: list[str], system: _UnitSystem, head: tuple[str, datetime], source: Source
) -> Entry:
    number = record["dateTime"]
    values: dict[str, Any] = {}
    for name in names:
        value = record[name]
        if value is None:
            continue
        if not isinstance(value, int | float):
            return RefusedRow(number, refusal(name, value, "must be a number"))
        quantity, kind = _COLUMNS[name]
        unit = getattr(system, kind, kind)
        values[quantity] = conversion(quantity, unit)(value)
        source.show(name, unit, f"{value:g}", quantity, values[quantity])
    minutes = record["interval"]
    if values.get("precipitation") is not None and not (isinstance(minutes, int | float) and minutes > 0):
        return RefusedRow(number, refusal("interval", minutes, "must be minutes: what fell in it is known for no other time"))
    period = round(60 * minutes) if values.get("precipitation") is not None else None
    return ImportedRow(number, None, at, make_observation(*head, at, values, period))

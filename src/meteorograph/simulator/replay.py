"""A recorded hourly series of real stations as a source.

The series is a CSV file (plain or ``.gz``), sorted by station and time. Next to it is ``PREFIX_stations.csv``, where ``PREFIX``
is the start of the name of the series.
"""

from __future__ import annotations

import csv
import gzip
import math
import zlib
from array import array
from bisect import bisect_left
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TextIO

from ..errors import ConfigurationError
from ..model.values import Coordinates
from . import conditions
from .geography import Spot, spot_at
from .weather import Weather

COLUMNS = ("temp_c", "rh_pct", "pressure_msl_hpa", "rain_1h_mm", "wind_kt", "wind_dir_deg")
SERIES_HEADER = ("station", "time_utc", *COLUMNS)
STATIONS_HEADER = ("station", "county", "elevation_m", "lat", "lon")
#: Largest distance of a point from its station [km].
MAX_DISTANCE_KM = 5.0
KNOT = 1852 / 3600  # [m/s]
_HOUR = timedelta(hours=1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Station:
    """The hours of a station, as ascending hours since 1970, with a column for each quantity; NaN means "not given"."""

    def __init__(self, spot: Spot) -> None:
        self.spot = spot
        self.hours = array("l")
        self.columns = tuple(array("d") for _ in COLUMNS)

    def values(self, hour: int) -> list[float | None]:
        """The values of an hour, in the order of ``COLUMNS``."""
        index = bisect_left(self.hours, hour)
        if index == len(self.hours) or self.hours[index] != hour:
            return [None] * len(COLUMNS)
        return [None if math.isnan(column[index]) else column[index] for column in self.columns]


class Replay:
    """A recorded series as a source."""

    def __init__(self, path: Path) -> None:
        """Read the whole series.

        Raises:
            ConfigurationError: The file or its stations are invalid; the message names file, line and problem.
        """
        self._by_name = {spot.name: Station(spot) for spot in _read_stations(stations_path(path))}
        _read_series(path, self._by_name)
        self.spots = tuple(station.spot for station in self._by_name.values())
        filled = [station.hours for station in self._by_name.values() if station.hours]
        if not filled:
            raise ConfigurationError(f"{path}: contains no hours")
        self._first = min(hours[0] for hours in filled)
        self._last = max(hours[-1] for hours in filled)

    def find(self, latitude: float, longitude: float) -> Spot | None:
        """The nearest station within ``MAX_DISTANCE_KM``."""
        point = Coordinates(latitude, longitude)
        nearest = min(self.spots, key=lambda spot: point.distance_km(spot.coordinates))
        return nearest if point.distance_km(nearest.coordinates) <= MAX_DISTANCE_KM else None

    def weather(self, spot: Spot, at: datetime) -> Weather:
        """The measurements of the station at the last whole hour, or at the same hour in the year of the series."""
        hour = (at - _EPOCH) // _HOUR
        temperature, humidity, pressure, rain, knots, direction = self._by_name[spot.name].values(self._in_series(hour))
        return Weather(
            at=_EPOCH + hour * _HOUR,
            temperature=temperature,
            humidity=humidity,
            pressure=pressure,
            rain=rain,
            snow=None if rain is None else 0.0,
            wind_speed=None if knots is None else round(knots * KNOT, 4),
            wind_direction=direction,
            condition=None if rain is None else conditions.of_precipitation(rain, 0.0),
        )

    def _in_series(self, hour: int) -> int:
        if self._first <= hour <= self._last:
            return hour
        at = _EPOCH + hour * _HOUR
        year = (_EPOCH + self._first * _HOUR).year
        day = 28 if (at.month, at.day) == (2, 29) else at.day
        return (at.replace(year=year, day=day) - _EPOCH) // _HOUR


def stations_path(series: Path) -> Path:
    """The stations file of a series: the one with the longest common prefix of the name, up to an underscore.

    Raises:
        ConfigurationError: There is no stations file.
    """
    parts = series.name.split(".")[0].split("_")
    for length in range(len(parts), 0, -1):
        path = series.with_name("_".join(parts[:length]) + "_stations.csv")
        if path.is_file():
            return path
    raise ConfigurationError(f"{series}: no stations file ({parts[0]}_…_stations.csv) next to it")


@contextmanager
def _rows(path: Path, header: tuple[str, ...]) -> Iterator[Iterator[list[str]]]:
    """The rows below a header; errors while reading them name the file."""
    try:
        with _open(path) as file:
            rows = csv.reader(file)
            columns = next(rows, [])
            for expected, name in zip(header, [*columns, *[""] * len(header)], strict=False):
                if expected != name:
                    raise ConfigurationError(f"{path}: line 1: expected column {expected!r}, found {name!r}")
            yield rows
    except (OSError, EOFError, UnicodeDecodeError, csv.Error, zlib.error) as error:
        raise ConfigurationError(f"{path}: cannot be read: {error}") from error


def _open(path: Path) -> TextIO:
    if path.suffix == ".gz":
        return gzip.open(path, "rt", encoding="utf-8", newline="")
    return path.open(encoding="utf-8", newline="")


def _number(text: str, path: Path, line: int, column: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise ConfigurationError(f"{path}: line {line}: column {column}: {text!r} is not a number")
    return value


def _read_stations(path: Path) -> list[Spot]:
    spots = []
    with _rows(path, STATIONS_HEADER) as rows:
        for line, row in enumerate(rows, start=2):
            if len(row) != len(STATIONS_HEADER):
                raise ConfigurationError(f"{path}: line {line}: {len(row)} columns instead of {len(STATIONS_HEADER)}")
            elevation, latitude, longitude = (
                _number(text, path, line, column) for text, column in zip(row[2:], STATIONS_HEADER[2:], strict=True)
            )
            for value, limit, column in ((latitude, 90, "lat"), (longitude, 180, "lon")):
                if abs(value) > limit:
                    raise ConfigurationError(f"{path}: line {line}: column {column}: {value:g} is off the earth")
            spots.append(spot_at(latitude, longitude, row[0], elevation))
    return spots


def _read_series(path: Path, stations: dict[str, Station]) -> None:
    hours: dict[str, int] = {}  # each text is parsed only once for all stations
    nan = math.nan
    with _rows(path, SERIES_HEADER) as rows:
        for line, row in enumerate(rows, start=2):
            if len(row) != len(SERIES_HEADER):
                raise ConfigurationError(f"{path}: line {line}: {len(row)} columns instead of {len(SERIES_HEADER)}")
            station = stations.get(row[0])
            if station is None:
                raise ConfigurationError(f"{path}: line {line}: column station: {row[0]!r} is not in the stations file")
            hour = hours.get(row[1])
            if hour is None:
                hour = hours[row[1]] = _hour(row[1], path, line)
            if station.hours and hour <= station.hours[-1]:
                raise ConfigurationError(f"{path}: line {line}: column time_utc: {row[1]!r} is not after the previous hour")
            station.hours.append(hour)
            for column, text, name in zip(station.columns, row[2:], COLUMNS, strict=True):
                column.append(_number(text, path, line, name) if text else nan)


def _hour(text: str, path: Path, line: int) -> int:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        at = datetime.min  # noqa: DTZ901 - marks an invalid text, which is refused below
    if at.tzinfo is None or (at - _EPOCH) % _HOUR:
        raise ConfigurationError(f"{path}: line {line}: column time_utc: {text!r} is not a whole hour with a time zone")
    return (at - _EPOCH) // _HOUR

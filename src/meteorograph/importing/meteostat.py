"""Reads Meteostat's bulk hourly files: ``https://data.meteostat.net/hourly/{year}/{station}.csv.gz``.

Source: https://dev.meteostat.net/data/timeseries/hourly and https://dev.meteostat.net/formats.html. Times are UTC; ``prcp`` is
the amount of the hour that ends then. Meteostat fills holes with values of weather models, also of hours to come; each value
has its source beside it. Modelled values are left out unless they are asked for, and then they have the flag ``modelled``.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, BinaryIO, Final

from ..errors import HistoryFileError
from ..model.flags import Flag
from ..model.imports import IMPORT_TERMS
from .csv_file import decode
from .entries import Entry, ImportedRow, RefusedRow, Source, make_observation, refusal
from .units import conversion

#: The first columns of a file.
FIRST_COLUMNS: Final = ("year", "month", "day", "hour")

#: Column → quantity and unit. ``snwd`` and ``tsun`` are no quantities of ours, ``coco`` is a code of Meteostat's own.
_COLUMNS: Final = {
    "temp": ("temperature", "°C"),
    "dwpt": ("dew_point", "°C"),
    "rhum": ("humidity", "%"),
    "prcp": ("precipitation", "mm"),
    "wdir": ("wind_direction", "degree"),
    "wspd": ("wind_speed", "km/h"),
    "wpgt": ("wind_gust", "km/h"),
    "pres": ("pressure", "hPa"),
    "cldc": ("cloud_cover", "okta"),
}

#: Sources that observe. A value of any other source is taken as modelled.
_OBSERVED: Final = frozenset(
    {"metar", "isd_lite", "synop", "dwd_poi", "dwd_hourly", "eccc_hourly", "ghcnd", "gsa_synop", "climate_hourly"}
)

#: [% per okta]
_OKTA: Final = 12.5

LICENCE_NOTE: Final = "licence of Meteostat: " + IMPORT_TERMS["meteostat"][1]


def read_meteostat(lines: BinaryIO, provider: str, now: datetime, *, with_model: bool) -> Source:
    """The hours of a file.

    Raises:
        HistoryFileError: While the rows are read: the file does not say where its values come from.
    """
    source = Source(iter(()))
    source.notes[LICENCE_NOTE] = 0
    source.entries = _read(lines, provider, now, with_model, source)
    return source


def _read(lines: BinaryIO, provider: str, now: datetime, with_model: bool, source: Source) -> Iterator[Entry]:
    reader = csv.DictReader(decode(lines), strict=True)
    names = [name for name in _COLUMNS if name in (reader.fieldnames or ())]
    if tuple((reader.fieldnames or ())[: len(FIRST_COLUMNS)]) != FIRST_COLUMNS or not names:
        raise HistoryFileError(
            f"the file is no hourly file of Meteostat: its first line must begin with {','.join(FIRST_COLUMNS)}"
        )
    unsourced = [name for name in names if f"{name}_source" not in (reader.fieldnames or ())]
    if unsourced and not with_model:
        raise HistoryFileError(
            f"the file does not say which values of {unsourced[0]} are modelled: take one of https://data.meteostat.net, "
            "or import all as modelled with --with-model"
        )
    try:
        for row in reader:
            entry = _read_row(reader.line_num, row, names, (provider, now), with_model, source)
            if entry is not None:
                yield entry
    except csv.Error as error:
        raise HistoryFileError(f"line {reader.line_num}: the file is not CSV: {error}") from None


def _read_row(
    line: int, row: Mapping[str, str | None], names: list[str], head: tuple[str, datetime], with_model: bool, source: Source
) -> Entry | None:
    texts = [row[name] for name in FIRST_COLUMNS]
    try:
        year, month, day, hour = (int(text or "") for text in texts)
        at = datetime(year, month, day, hour, tzinfo=UTC)
    except (ValueError, OverflowError):
        return RefusedRow(line, refusal(",".join(FIRST_COLUMNS), ",".join(map(str, texts)), "must be a date and an hour"))
    if at > head[1]:
        source.note("hours to come, left out")
        return None
    values: dict[str, Any] = {}
    flags: dict[str, list[str]] = {}
    for name in names:
        text = row[name]
        if not text or (name == "cldc" and text.startswith("9")):  # 9 oktas: the sky cannot be seen
            continue
        try:
            number = float(text)
        except ValueError:
            return RefusedRow(line, refusal(name, text, "must be a number or empty"))
        origin = row.get(f"{name}_source") or "unknown"
        if origin not in _OBSERVED:
            source.note(f"modelled values of {origin}, {'marked as such' if with_model else 'left out'}")
            if not with_model:
                continue
            flags[_COLUMNS[name][0]] = [Flag.MODELLED]
        quantity, unit = _COLUMNS[name]
        values[quantity] = number * _OKTA if unit == "okta" else conversion(quantity, unit)(number)
        source.show(name, unit, text, quantity, values[quantity])
    period = 3600 if "precipitation" in values else None
    if not values:
        source.note("hours without an observed value")
        return None
    return ImportedRow(line, None, at, make_observation(*head, at, values, period, flags))

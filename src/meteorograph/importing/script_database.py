"""Reads the database of the script that Meteorograph grew out of: the table ``weather_data`` of a Flask application.

``timestamp`` is a local time of the server without a zone, ``created_at`` the time (UTC) at which the row was stored. The
temperature is in kelvin. Nobody knows in which time ``precipitation`` fell, so the amounts count as of an unknown period. The
table does not name the place: the user says since when which place was collected.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from typing import Any, Final

from ..errors import HistoryFileError
from ..model.quantities import BY_NAME
from ..model.schedule import Schedule
from .entries import Entry, ImportedRow, RefusedRow, Source, make_observation, refusal
from .foreign_database import columns_of
from .units import conversion

#: Column → quantity and unit. The script asked OpenWeatherMap for its default units.
_COLUMNS: Final = {
    "temperature": ("temperature", "K"),
    "humidity": ("humidity", "%"),
    "pressure": ("pressure", "hPa"),
    "wind_speed": ("wind_speed", "m/s"),
    "wind_direction": ("wind_direction", "degree"),
    "precipitation": ("precipitation", "mm"),
}
_KEYS: Final = frozenset({"id", "timestamp", "temperature"})

#: Zones differ from UTC by multiples of this.
_OFFSET_STEP: Final = timedelta(minutes=15)
_LARGEST_OFFSET: Final = timedelta(hours=14)
#: An offset that fewer of the rows show is chance: an observation was old when it was stored.
_MIN_SHARE: Final = 0.02
_MIN_ROWS: Final = 3
#: How much later than it was stored a row may have been observed, and how much earlier.
_CLOCK_ERROR: Final = timedelta(minutes=2)
_MAX_AGE: Final = timedelta(hours=3)
#: [K]
_KELVIN_RANGE: Final = (150.0, 350.0)


@dataclass(frozen=True, slots=True)
class PlacePeriod:
    """Since when the script collected a place."""

    since: datetime
    location: str


@dataclass(frozen=True, slots=True)
class ScriptOptions:
    """What the user says of the table."""

    #: In order of time.
    places: Sequence[PlacePeriod]
    #: The slots that rows belong to.
    grid: Schedule
    #: Zone of ``timestamp``; None to find out from ``created_at``.
    zone: tzinfo | None = None


def read_script_database(database: sqlite3.Connection, options: ScriptOptions, provider: str, now: datetime) -> Source:
    """The rows of the table.

    Raises:
        HistoryFileError: The table is missing, or its times cannot be understood.
    """
    columns = columns_of(database, "weather_data")
    if not columns >= _KEYS:
        raise HistoryFileError(f"the database has no table weather_data with {', '.join(sorted(_KEYS))}")
    if "created_at" not in columns and options.zone is None:
        raise HistoryFileError("--zone is missing: the table has no created_at from which the zone of its times would follow")
    source = Source(iter(()), line_word="id", keeps_first=True)
    offsets = _find_offsets(database) if options.zone is None else []
    if offsets:
        shown = ", ".join(f"{timezone(offset)}" for offset in offsets)
        source.notes[f"times are local times of {shown}, as created_at shows"] = 0
    names = [name for name in _COLUMNS if name in columns]
    source.entries = _read(database, names, options, offsets, (provider, now), source)
    return source


def _find_offsets(database: sqlite3.Connection) -> list[timedelta]:
    """The offsets from UTC of the local times, in order: one, or two where the clocks change."""
    counts: Counter[timedelta] = Counter()
    for row in database.execute("SELECT timestamp, created_at FROM weather_data"):
        local, created = _parse(row["timestamp"]), _parse(row["created_at"])
        if local is not None and created is not None:
            difference = local.replace(tzinfo=None) - created.astimezone(UTC).replace(tzinfo=None) + _OFFSET_STEP / 2
            counts[difference // _OFFSET_STEP * _OFFSET_STEP] += 1
    fewest = max(_MIN_SHARE * sum(counts.values()), min(_MIN_ROWS, max(counts.values(), default=0)))
    kept: list[timedelta] = []
    for offset in sorted((one for one, count in counts.items() if count >= fewest and abs(one) <= _LARGEST_OFFSET), reverse=True):
        # Old observations look like an offset that is a little smaller.
        above = [larger for larger in kept if larger - offset < timedelta(hours=1)]
        if not any(offset % (2 * _OFFSET_STEP) or 4 * counts[offset] < counts[larger] for larger in above):
            kept.append(offset)
    return kept[::-1]


def _read(
    database: sqlite3.Connection,
    names: Sequence[str],
    options: ScriptOptions,
    offsets: Sequence[timedelta],
    head: tuple[str, datetime],
    source: Source,
) -> Iterator[Entry]:
    for row in database.execute("SELECT * FROM weather_data ORDER BY id"):
        try:
            yield _read_row(row, names, options, offsets, head, source)
        except ValueError as error:
            yield RefusedRow(row["id"], str(error))


def _read_row(
    row: sqlite3.Row,
    names: Sequence[str],
    options: ScriptOptions,
    offsets: Sequence[timedelta],
    head: tuple[str, datetime],
    source: Source,
) -> ImportedRow:
    """A row; raises ``ValueError`` with the reason if it cannot be stored."""
    created = _parse(row["created_at"]) if "created_at" in row.keys() else None
    observed_at = _instant(row["timestamp"], created, options.zone, offsets)
    values: dict[str, Any] = {}
    for name in names:
        value = row[name]
        if value is None:
            continue
        if not isinstance(value, int | float):
            raise ValueError(refusal(name, value, "must be a number"))
        if name == "temperature" and not _KELVIN_RANGE[0] <= value <= _KELVIN_RANGE[1]:
            raise ValueError(refusal(name, value, "must be in kelvin, from 150 to 350"))
        quantity, unit = _COLUMNS[name]
        if not BY_NAME[quantity].is_possible(conversion(quantity, unit)(value)):
            raise ValueError(refusal(name, value, "must be a possible value"))
        values[quantity] = conversion(quantity, unit)(value)
        source.show(name, unit, f"{value:g}", quantity, values[quantity])
    places = [place for place in options.places if place.since <= observed_at]
    if not places:
        raise ValueError(refusal("timestamp", row["timestamp"], "must not be before the first --place"))
    slot = options.grid.slot_at(created or observed_at)
    assert slot is not None, "an interval has a slot at every time"
    return ImportedRow(row["id"], places[-1].location, slot, make_observation(*head, observed_at, values))


def _instant(text: object, created: datetime | None, zone: tzinfo | None, offsets: Sequence[timedelta]) -> datetime:
    """When a row was observed: its local time, with the offset that fits the time at which it was stored."""
    local = _parse(text)
    if local is None:
        raise ValueError(refusal("timestamp", text, "must be a time"))
    if datetime.fromisoformat(str(text)).tzinfo is not None:
        return local
    naive = local.replace(tzinfo=None)
    if zone is not None:
        instants = [naive.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (1, 0)]
        if created is None:
            return instants[-1]
    elif created is None:
        raise ValueError(refusal("created_at", None, "must be a time: the zone of timestamp follows from it"))
    else:
        instants = [(naive - offset).replace(tzinfo=UTC) for offset in offsets]
    fitting = [at for at in instants if created - _MAX_AGE <= at <= created + _CLOCK_ERROR]
    if not fitting:
        allowed = f"must fit created_at={created.isoformat()}: stored up to 3 h after it was observed"
        raise ValueError(refusal("timestamp", text, allowed))
    return max(fitting)  # the youngest observation that the time of storing allows


def _parse(text: object) -> datetime | None:
    """A time as SQLite holds it; without an offset it is taken as UTC."""
    try:
        parsed = datetime.fromisoformat(str(text))
        return parsed.astimezone(UTC) if parsed.tzinfo else parsed.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return None

"""Reads Home Assistant's long-term statistics (table ``statistics`` of ``home-assistant_v2.db``).

Source: the schema of the recorder, https://github.com/home-assistant/core. A row has the hour from ``start_ts`` on. ``mean`` is
the mean of a measurement; ``sum`` is the running total of a meter, so that precipitation is the difference of two sums.
``state``, ``min`` and ``max`` are not used. The mean of a direction is one only where ``mean_type`` is circular.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple

from ..errors import HistoryFileError
from ..model.quantities import BY_NAME
from ..model.valid_time import MAX_PERIOD
from ..quality.row_checks import record_precipitation
from .entries import Entry, ImportedRow, RefusedRow, Source, make_observation, refusal
from .foreign_database import columns_of
from .units import canonical_unit_name, conversion, known_units

#: Schema versions whose statistics are known: since 34 they have ``start_ts``, since 49 the metadata has ``mean_type``.
_FIRST_VERSION: Final = 34
_LAST_VERSION: Final = 53
_MEAN_TYPE_VERSION: Final = 49

#: ``StatisticMeanType.CIRCULAR``
_CIRCULAR: Final = 2

_HOUR: Final = timedelta(hours=1)

#: Statistics that an error message lists.
_MAX_LISTED: Final = 20

MAPPING_ALLOWED: Final = "must be STATISTIC=QUANTITY, such as sensor.outdoor_temperature=temperature"


@dataclass(frozen=True, slots=True)
class StatisticMapping:
    """A statistic, and the quantity that it gives."""

    statistic: str
    quantity: str


class _Statistic(NamedTuple):
    """A statistic of the database."""

    id: int
    quantity: str
    statistic: str
    unit: str


def parse_statistic(text: str) -> StatisticMapping:
    """A mapping from its text.

    Raises:
        ValueError: The text is no mapping; the message says what is allowed.
    """
    statistic, _, quantity = text.rpartition("=")
    if not statistic or quantity not in BY_NAME or BY_NAME[quantity].is_code:
        names = ", ".join(name for name, known in BY_NAME.items() if not known.is_code)
        raise ValueError(f"{MAPPING_ALLOWED}; the quantities are {names}")
    return StatisticMapping(statistic, quantity)


def read_statistics(database: sqlite3.Connection, mappings: Sequence[StatisticMapping], provider: str, now: datetime) -> Source:
    """The hours of statistics.

    Raises:
        HistoryFileError: The database has another schema, or not these statistics.
    """
    version = _check_version(database)
    statistics = [_find(database, mapping, version) for mapping in mappings]
    if not statistics:
        raise HistoryFileError(f"--statistic is missing: {MAPPING_ALLOWED}. The database has {_list(database)}")
    source = Source(iter(()), line_word="hour")
    source.entries = _read(database, statistics, provider, now, source)
    return source


def _check_version(database: sqlite3.Connection) -> int:
    if not columns_of(database, "schema_changes") or not columns_of(database, "statistics_meta"):
        raise HistoryFileError("the database has no statistics, as Home Assistant's recorder makes them")
    row = database.execute("SELECT schema_version FROM schema_changes ORDER BY change_id DESC LIMIT 1").fetchone()
    version = row["schema_version"] if row else None
    if version is None or not _FIRST_VERSION <= version <= _LAST_VERSION:
        raise HistoryFileError(
            f"schema_version={version}: must be from {_FIRST_VERSION} to {_LAST_VERSION}, which are the known ones"
        )
    return int(version)


def _find(database: sqlite3.Connection, mapping: StatisticMapping, version: int) -> _Statistic:
    row = database.execute("SELECT * FROM statistics_meta WHERE statistic_id = ?", (mapping.statistic,)).fetchone()
    if row is None:
        raise HistoryFileError(f"the database has no statistic {mapping.statistic!r}; it has {_list(database)}")
    quantity = BY_NAME[mapping.quantity]
    if quantity.is_amount and not row["has_sum"]:
        raise HistoryFileError(f"{mapping.statistic}: has no sum; an amount is the difference of two sums")
    if mapping.quantity == "wind_direction" and (version < _MEAN_TYPE_VERSION or row["mean_type"] != _CIRCULAR):
        raise HistoryFileError(
            f"{mapping.statistic}: its mean is not circular (mean_type {_CIRCULAR}), so the mean of 350° and 10° would be 180°"
        )
    given = row["unit_of_measurement"] or "1"
    try:
        unit = canonical_unit_name(mapping.quantity, given)
    except ValueError:
        allowed = ", ".join(known_units(mapping.quantity))
        raise HistoryFileError(f"{mapping.statistic}: unit_of_measurement={given!r}: must be one of {allowed}") from None
    return _Statistic(row["id"], mapping.quantity, mapping.statistic, unit)


def _list(database: sqlite3.Connection) -> str:
    rows = database.execute("SELECT statistic_id, unit_of_measurement FROM statistics_meta ORDER BY statistic_id").fetchall()
    names = [f"{row[0]} [{row[1] or '1'}]" for row in rows[:_MAX_LISTED]]
    more = f" and {len(rows) - _MAX_LISTED} more" if len(rows) > _MAX_LISTED else ""
    return (", ".join(names) or "none") + more


def _read(
    database: sqlite3.Connection, statistics: Sequence[_Statistic], provider: str, now: datetime, source: Source
) -> Iterator[Entry]:
    hours: dict[float, dict[str, Any]] = {}
    for statistic in statistics:
        is_amount = BY_NAME[statistic.quantity].is_amount
        values = _amounts(database, statistic, source) if is_amount else _means(database, statistic, source)
        for start, fields in values:
            hours.setdefault(start, {}).update(fields)
    for start, fields in sorted(hours.items()):
        try:
            at = datetime.fromtimestamp(start, UTC) + _HOUR
        except (ValueError, OverflowError, OSError):
            yield RefusedRow(0, refusal("start_ts", start, "must be a time in Unix seconds"))
            continue
        if at > now:
            source.note("hours that are not over, left out")
            continue
        period = fields.pop("period", None)
        if fields:
            yield ImportedRow(int(start), None, at, make_observation(provider, now, at, fields, period))


def _means(database: sqlite3.Connection, statistic: _Statistic, source: Source) -> Iterator[tuple[float, dict[str, Any]]]:
    convert = conversion(statistic.quantity, statistic.unit)
    query = "SELECT start_ts, mean FROM statistics WHERE metadata_id = ? AND mean IS NOT NULL ORDER BY start_ts"
    for start, mean in database.execute(query, (statistic.id,)):
        _show(source, statistic, mean, convert(mean))
        yield start, {statistic.quantity: convert(mean)}


def _amounts(database: sqlite3.Connection, statistic: _Statistic, source: Source) -> Iterator[tuple[float, dict[str, Any]]]:
    """Differences of sums. A sum that goes back, or jumps by more than ever fell, gives no amount."""
    convert = conversion(statistic.quantity, statistic.unit)
    query = "SELECT start_ts, sum FROM statistics WHERE metadata_id = ? AND sum IS NOT NULL ORDER BY start_ts"
    before: tuple[float, float] | None = None
    for start, total in database.execute(query, (statistic.id,)):
        if before is not None:
            seconds = int(start - before[0])
            amount = round(convert(total) - convert(before[1]), 4)
            if amount < 0:
                source.note("hours without an amount, since a sum went back")
            elif amount > record_precipitation(seconds):
                source.note("hours without an amount, since a sum rose by more than ever fell in that time")
            else:
                _show(source, statistic, f"{total:g} - {before[1]:g}", amount)
                yield start, {statistic.quantity: amount, "period": seconds if seconds <= MAX_PERIOD else None}
        before = (start, total)


def _show(source: Source, statistic: _Statistic, given: object, stored: float) -> None:
    text = f"{given:g}" if isinstance(given, float) else str(given)
    source.show(statistic.statistic, statistic.unit, text, statistic.quantity, stored)

"""``meteorograph.read``: rows as a pandas or Polars data frame."""

from __future__ import annotations

from datetime import date, datetime
from importlib import import_module
from importlib.util import find_spec
from typing import Any, Literal

from ..errors import ConfigurationError, InvalidTimeError
from ..model import clock
from ..model.time_range import to_instant
from ..reading.columns import FIELDS
from ..storage.engine import get_db_session, init_db
from .batches import read_batches
from .export import ExportQuery, export_locations
from .field_types import FIELD_TYPES, FieldType

#: A time of ``read``: a text as the commands take it, a date or a datetime.
Moment = str | date


def read(
    location: str | None = None,
    *,
    tag: str | None = None,
    start: Moment | None = None,
    end: Moment | None = None,
    frame: Literal["pandas", "polars"] | None = None,
) -> Any:
    """Read rows of the configured database as a data frame: by location, oldest first, in canonical units.

    The columns and their types are the same whatever the data are, also without a row: instants with microseconds in UTC,
    quantities as float64, codes and ``precipitation_period`` as Int64, all others as texts.

    Args:
        location: Name of the only location; None for all.
        tag: Only locations with this tag.
        start: First instant: a text such as ``2026-03-01`` or ``7d`` (before now), a date (its midnight) or a datetime; UTC
            without a zone.
        end: Instant after the last one, in the same forms.
        frame: The library. Default: pandas, or Polars where pandas is not installed.

    Raises:
        LocationNotFoundError: No location has that name or tag.
        InvalidTimeError: ``start`` or ``end`` is no time.
        ConfigurationError: The library is not installed.
    """
    library = frame or ("pandas" if find_spec("pandas") else "polars")
    if not find_spec(library):
        raise ConfigurationError(f"frame={library} needs it installed: pip install {library}")
    now = clock.now()
    first, last = _to_instant("start", start, now), _to_instant("end", end, now)
    query = ExportQuery((location,) if location is not None else (), (tag,) if tag is not None else (), first, last)
    columns: list[list[Any]] = [[] for _ in FIELDS]
    init_db()
    with get_db_session(read_only=True) as session:
        for batch in read_batches(session, export_locations(session, query), first, last):
            for column, values in zip(columns, batch.columns, strict=True):
                column.extend(values)
    data = dict(zip(FIELDS, columns, strict=True))
    return _to_pandas(data) if library == "pandas" else _to_polars(data)


def _to_instant(name: str, value: Moment | None, now: datetime) -> datetime | None:
    try:
        return None if value is None else to_instant(value, now)
    except ValueError as error:
        raise InvalidTimeError(f"{name}={value!r}: {error}") from None


def _to_pandas(data: dict[str, list[Any]]) -> Any:
    pandas = import_module("pandas")
    types = {FieldType.TEXT: "string", FieldType.INTEGER: "Int64", FieldType.NUMBER: "float64", FieldType.INSTANT: "float64"}
    table = pandas.DataFrame({name: pandas.Series(data[name], dtype=types[kind]) for name, kind in FIELD_TYPES.items()})
    for name, kind in FIELD_TYPES.items():
        if kind is FieldType.INSTANT:
            micros = table[name].mul(1_000_000).round().astype("Int64")
            table[name] = pandas.to_datetime(micros, unit="us", utc=True).astype("datetime64[us, UTC]")
    return table


def _to_polars(data: dict[str, list[Any]]) -> Any:
    polars = import_module("polars")
    types = {FieldType.TEXT: polars.String, FieldType.INTEGER: polars.Int64}
    columns = [
        polars.Series(name, data[name], types.get(kind, polars.Float64), strict=False) for name, kind in FIELD_TYPES.items()
    ]
    instants = [polars.col(name) for name, kind in FIELD_TYPES.items() if kind is FieldType.INSTANT]
    return polars.DataFrame(columns).with_columns(
        (column * 1_000_000).round().cast(polars.Int64).cast(polars.Datetime("us", "UTC")) for column in instants
    )

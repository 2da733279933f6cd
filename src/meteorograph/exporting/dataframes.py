"""``meteorograph.read``: rows as a data frame of pandas or Polars, whichever is there."""

from __future__ import annotations

from datetime import datetime
from importlib import import_module
from importlib.util import find_spec
from typing import Any, Literal

from ..errors import ConfigurationError
from ..reading.columns import FIELDS, INSTANTS
from ..storage.engine import get_db_session, init_db
from .export import ExportQuery, export_locations, read_batches


def read(
    location: str | None = None,
    *,
    tag: str | None = None,
    start: datetime | None = None,
    end: datetime | None = None,
    frame: Literal["pandas", "polars"] | None = None,
) -> Any:
    """The rows of the database in force as a data frame: by location, oldest first, in canonical units.

    Args:
        location: Name of the only location; all without it.
        tag: Only locations with this tag.
        start: First instant (aware).
        end: Instant after the last one (aware).
        frame: Which library; without it pandas, or Polars where there is no pandas.

    Raises:
        LocationNotFoundError: There is no such location.
        ConfigurationError: The library is not installed.
    """
    library = frame or ("pandas" if find_spec("pandas") else "polars")
    if not find_spec(library):
        raise ConfigurationError(f"frame={library} needs it installed: pip install {library}")
    asked = ExportQuery((location,) if location is not None else (), (tag,) if tag is not None else (), start, end)
    columns: list[list[Any]] = [[] for _ in FIELDS]
    init_db()
    with get_db_session(read_only=True) as session:
        for place in export_locations(session, asked):
            for found in read_batches(session, place, start, end):
                for column, values in zip(columns, found, strict=True):
                    column.extend(values)
    told = dict(zip(FIELDS, columns, strict=True))
    return _pandas(told) if library == "pandas" else _polars(told)


def _pandas(found: dict[str, list[Any]]) -> Any:
    made = import_module("pandas").DataFrame(found)
    convert = import_module("pandas").to_datetime
    for name in INSTANTS:
        micros = made[name].astype("float64").mul(1_000_000).round().astype("Int64")
        made[name] = convert(micros, unit="us", utc=True)
    return made


def _polars(found: dict[str, list[Any]]) -> Any:
    polars = import_module("polars")
    made = polars.DataFrame(found, infer_schema_length=None, strict=False)
    micros = [(polars.col(name).cast(polars.Float64) * 1_000_000).round().cast(polars.Int64) for name in sorted(INSTANTS)]
    return made.with_columns(each.cast(polars.Datetime("us", "UTC")) for each in micros)

"""``meteorograph.read``: rows as a pandas or Polars data frame."""

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
    """Read rows of the configured database as a data frame: by location, oldest first, in canonical units.

    Args:
        location: Name of the only location; None for all.
        tag: Only locations with this tag.
        start: First instant (aware).
        end: Instant after the last one (aware).
        frame: The library. Default: pandas, or Polars where pandas is not installed.

    Raises:
        LocationNotFoundError: No location has that name or tag.
        ConfigurationError: The library is not installed.
    """
    library = frame or ("pandas" if find_spec("pandas") else "polars")
    if not find_spec(library):
        raise ConfigurationError(f"frame={library} needs it installed: pip install {library}")
    query = ExportQuery((location,) if location is not None else (), (tag,) if tag is not None else (), start, end)
    columns: list[list[Any]] = [[] for _ in FIELDS]
    init_db()
    with get_db_session(read_only=True) as session:
        for selected in export_locations(session, query):
            for batch in read_batches(session, selected, start, end):
                for column, values in zip(columns, batch, strict=True):
                    column.extend(values)
    data = dict(zip(FIELDS, columns, strict=True))
    return _to_pandas(data) if library == "pandas" else _to_polars(data)


def _to_pandas(data: dict[str, list[Any]]) -> Any:
    pandas = import_module("pandas")
    table = pandas.DataFrame(data)
    for name in INSTANTS:
        micros = table[name].astype("float64").mul(1_000_000).round().astype("Int64")
        table[name] = pandas.to_datetime(micros, unit="us", utc=True)
    return table


def _to_polars(data: dict[str, list[Any]]) -> Any:
    polars = import_module("polars")
    table = polars.DataFrame(data, infer_schema_length=None, strict=False)
    micros = [(polars.col(name).cast(polars.Float64) * 1_000_000).round().cast(polars.Int64) for name in sorted(INSTANTS)]
    return table.with_columns(column.cast(polars.Datetime("us", "UTC")) for column in micros)

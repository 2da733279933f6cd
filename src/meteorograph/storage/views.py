"""SQL views for people and programs that read the database: ``weather``, ``latest`` and ``daily``.

Each migration creates them again, since their columns follow the tables, and since SQLite changes no table that a view reads.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import Connection, inspect, text

from ..log_output import get_logger
from ..model.quantities import AMOUNTS, CODES, QUANTITIES
from ..model.statistics import DIRECTION

log = get_logger(__name__)

#: By which a view of ours is recognised.
_MARK: Final = "made by Meteorograph"
_DAYS: Final = "FROM daily_rollups d JOIN locations l ON l.id = d.location_id WHERE d.observations > 0"
NAMES: Final = ("daily", "latest", "weather")
#: Text columns of a row, after its quantities.
_MORE: Final = ("precipitation_period", "condition", "providers", "flags")


def drop_views(connection: Connection) -> None:
    """Drop the views that ``create_views`` has made; a view or table of the user's own with such a name stays."""
    if connection.dialect.name == "sqlite":
        query = f"SELECT name FROM sqlite_master WHERE type = 'view' AND sql LIKE '%{_MARK}%'"  # noqa: S608  # a constant
    else:
        ours = f"c.relkind = 'v' AND n.nspname = current_schema() AND obj_description(c.oid, 'pg_class') LIKE '%{_MARK}%'"
        query = f"SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE {ours}"  # noqa: S608  # a constant
    for name in {*connection.execute(text(query)).scalars()} & {*NAMES}:
        connection.execute(text(f"DROP VIEW {name}"))


def create_views(connection: Connection) -> None:
    """Create the views on a schema that is complete; a name that is taken is left alone."""
    is_sqlite = connection.dialect.name == "sqlite"
    there = inspect(connection)
    taken = {*there.get_table_names(), *there.get_view_names()}
    for name, select in _selects(is_sqlite).items():
        if name in taken:
            log.warning("a view of this name is not ours, and stays as it is", view=name)
            continue
        connection.execute(text(f"CREATE VIEW {name} AS {select}{f' /* {_MARK} */' if is_sqlite else ''}".replace(":", "\\:")))
        if not is_sqlite:
            connection.execute(text(f"COMMENT ON VIEW {name} IS '{_MARK}'"))


def _selects(is_sqlite: bool) -> dict[str, str]:
    times = ("due_at", "observed_at", "fetched_at")
    columns = [
        *("l.name AS location", "l.latitude", "l.longitude", "l.elevation"),
        *(f"{_time(f'w.{name}', is_sqlite)} AS {name}" for name in times),
        *(f"w.{name}" for name in ("provider", "origin")),
        *(f"w.{quantity.name}" for quantity in QUANTITIES),
        *(f"w.{name}" for name in _MORE),
    ]
    rows = f"SELECT {', '.join(columns)} FROM weather_data w JOIN locations l ON l.id = w.location_id"  # noqa: S608  # names
    newest = "(SELECT max(n.due_at) FROM weather_data n WHERE n.location_id = w.location_id)"
    days = [
        "l.name AS location",
        *(f"{_time(f'd.{name}', is_sqlite)} AS {name}" for name in ("start_at", "end_at")),
        *("d.stored", "d.observations", "d.suspect"),
        *(part for quantity in QUANTITIES for part in _parts(quantity.name)),
    ]
    return {
        "weather": rows,
        "latest": f"{rows} WHERE w.due_at = {newest}",
        "daily": f"SELECT {', '.join(days)} {_DAYS}",
    }


def _time(column: str, is_sqlite: bool) -> str:
    """An instant: ISO 8601 on SQLite, which stores Unix seconds; PostgreSQL has a type for it."""
    return f"strftime('%Y-%m-%dT%H:%M:%SZ', {column}, 'unixepoch')" if is_sqlite else column


def _parts(name: str) -> list[str]:
    """The statistics of a quantity of a day; directions have none that SQL could make."""
    if name == DIRECTION:
        return []
    if name in CODES:
        return [f"d.{name}_max"]
    if name in AMOUNTS:
        return [f"d.{name}_total AS {name}_sum", f"d.{name}_covered_seconds"]
    return [f"d.{name}_min", f"d.{name}_max", f"d.{name}_sum / nullif(d.{name}_count, 0) AS {name}_mean"]

"""Migrations of quantities, made from the canonical table (``model/quantities.py``).

A migration only names its quantities. If a quantity leaves the table or changes its limits later, the older migration must state
its columns itself.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from ...model.quantities import BY_NAME
from ...model.statistics import PARTS
from ..models import DailyRollup, WeatherData
from ..models.weather import range_condition
from ..upsert import table_of


def _rollups_name() -> str:
    """The name of the table of rollups, which has changed in migration 0017."""
    name = table_of(DailyRollup).name
    return name if sa.inspect(op.get_bind()).has_table(name) else "daily"


def add_quantity(name: str) -> None:
    """Add the column of a quantity with its possible range to the rows, and the parts of its summary to the rollups."""
    column = table_of(WeatherData).c[name]
    # Alembic adds no column together with its constraint on SQLite.
    type_ = column.type.compile(dialect=op.get_bind().dialect)
    constraint = f"CONSTRAINT ck_{WeatherData.__tablename__}_{name} CHECK ({range_condition(BY_NAME[name])})"
    op.execute(f"ALTER TABLE {WeatherData.__tablename__} ADD COLUMN {name} {type_} {constraint}")
    rollups = table_of(DailyRollup)
    for part in PARTS[name]:
        own = rollups.c[f"{name}_{part}"]
        default = None if own.nullable else "0"
        op.add_column(_rollups_name(), sa.Column(own.name, own.type, nullable=own.nullable, server_default=default))


def drop_quantity(name: str) -> None:
    """Drop the columns of a quantity and their values."""
    op.execute(f"ALTER TABLE {WeatherData.__tablename__} DROP COLUMN {name}")
    for part in PARTS[name]:
        op.drop_column(_rollups_name(), f"{name}_{part}")

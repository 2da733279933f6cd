"""Values of other providers; rollups with observations and with the covered time of amounts, made again from the rows."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"

_COLUMNS: dict[str, Any] = {
    "observations": sa.Integer(),
    "precipitation_covered_seconds": sa.Float(precision=53),
    "precipitation_unknown_count": sa.Integer(),
}


def upgrade() -> None:
    op.add_column("weather_data", sa.Column("other_values", sa.JSON(none_as_null=True), nullable=True))
    _delete_rollups()
    for name, type_ in _COLUMNS.items():
        op.add_column("daily", sa.Column(name, type_, nullable=False, server_default="0"))
    op.add_column("daily", sa.Column("precipitation_providers", sa.Text(), nullable=True))


def downgrade() -> None:
    _delete_rollups()
    for name in ("precipitation_providers", *_COLUMNS):
        op.drop_column("daily", name)
    op.drop_column("weather_data", "other_values")


def _delete_rollups() -> None:
    op.execute("DELETE FROM daily")
    op.execute("DELETE FROM folded")

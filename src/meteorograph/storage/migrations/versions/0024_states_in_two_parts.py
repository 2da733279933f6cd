"""The states of the checks in two parts, and room for their updates on PostgreSQL. Stored states stay readable."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0024"
down_revision = "0023"


def upgrade() -> None:
    op.add_column("check_states", sa.Column("levels", sa.Text(), nullable=True))
    if op.get_bind().dialect.name == "postgresql":
        op.execute("ALTER TABLE check_states SET (fillfactor = 50)")  # for pages that are written from now on


def downgrade() -> None:
    op.execute("DELETE FROM check_states WHERE levels IS NOT NULL")  # the checks of these locations begin again
    op.drop_column("check_states", "levels")
    if op.get_bind().dialect.name == "postgresql":
        op.execute("ALTER TABLE check_states RESET (fillfactor)")

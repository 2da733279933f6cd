"""Until when each schedule is accounted for; processes that stopped in order; more reasons for missed slots."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from meteorograph.storage.types import UTCDateTime

revision = "0007"
down_revision = "0006"

_OLD = ("down", "quota", "provider_error", "payload_error", "store_error", "late")
_NEW = ("down", "stopped", "database", "internal", "unrecorded", *_OLD[1:])


def upgrade() -> None:
    op.create_table(
        "accounted",
        sa.Column("schedule", sa.String(length=100), nullable=False),
        sa.Column("until_at", UTCDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("schedule", name=op.f("pk_accounted")),
    )
    # Earlier versions have looked at these slots; `meteorograph audit` looks at them again.
    op.execute(
        "INSERT INTO accounted (schedule, until_at) SELECT schedule, max(due_at) FROM runs "
        "WHERE state NOT IN ('pending', 'running') GROUP BY schedule"
    )
    op.add_column("heartbeats", sa.Column("is_stopped", sa.Boolean(), nullable=False, server_default=sa.false()))
    _allow_reasons(_OLD, _NEW)


def downgrade() -> None:
    listed = ", ".join(f"'{reason}'" for reason in set(_NEW) - set(_OLD))
    op.execute(f"UPDATE missed SET reason = 'down' WHERE reason IN ({listed})")  # noqa: S608  # our own words
    _allow_reasons(_NEW, _OLD)
    op.drop_column("heartbeats", "is_stopped")
    op.drop_table("accounted")


def _allow_reasons(before: tuple[str, ...], after: tuple[str, ...]) -> None:
    with op.batch_alter_table("missed", copy_from=_missed(before), recreate="auto") as missed:
        missed.drop_constraint(op.f("ck_missed_reason"), type_="check")
        missed.create_check_constraint(op.f("ck_missed_reason"), _is_one_of(after))


def _missed(reasons: tuple[str, ...]) -> sa.Table:
    """The table as it is: SQLite cannot change a constraint, so that Alembic copies the rows into a new table."""
    is_open = sa.text("closed_at IS NULL")
    return sa.Table(
        "missed",
        sa.MetaData(),
        sa.Column("location_id", sa.Integer(), nullable=False),
        sa.Column("due_at", UTCDateTime(), nullable=False),
        sa.Column("reason", sa.String(length=32), nullable=False),
        sa.Column("detail", sa.String(length=500), nullable=True),
        sa.Column("tries", sa.Integer(), nullable=False, server_default="0"),
        *(sa.Column(name, UTCDateTime(), nullable=True) for name in ("tried_at", "next_try_at", "closed_at")),
        sa.ForeignKeyConstraint(["location_id"], ["locations.id"], name="fk_missed_location_id"),
        sa.PrimaryKeyConstraint("location_id", "due_at", name="pk_missed"),
        sa.CheckConstraint(_is_one_of(reasons), name="ck_missed_reason"),
        sa.Index("ix_missed_open", "due_at", sqlite_where=is_open, postgresql_where=is_open),
        sqlite_with_rowid=False,
    )


def _is_one_of(reasons: tuple[str, ...]) -> str:
    return f"reason IN ({', '.join(repr(reason) for reason in reasons)})"

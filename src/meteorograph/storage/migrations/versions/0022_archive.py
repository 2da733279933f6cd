"""The files of sealed months, and which rows they hold."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from meteorograph.storage.types import UTCDateTime

revision = "0022"
down_revision = "0021"


def upgrade() -> None:
    op.create_table(
        "archive_files",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("month_at", UTCDateTime(), nullable=False),
        sa.Column("rows", sa.BigInteger(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=True),
        sa.Column("footer_sha256", sa.String(length=64), nullable=True),
        sa.Column("sealed_at", UTCDateTime(), nullable=True),
        sa.Column("changes", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("emptied_at", UTCDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_archive_files")),
        sa.UniqueConstraint("name", name=op.f("uq_archive_files_name")),
    )
    op.create_table(
        "sealed_ranges",
        sa.Column("location_id", sa.Integer(), nullable=False),
        sa.Column("first_at", UTCDateTime(), nullable=False),
        sa.Column("file_id", sa.Integer(), nullable=False),
        sa.Column("last_at", UTCDateTime(), nullable=False),
        sa.Column("step_seconds", sa.Integer(), nullable=False),
        sa.Column("rows", sa.Integer(), nullable=False),
        sa.Column("provider", sa.String(length=64), nullable=False),
        sa.Column("origin", sa.String(length=16), nullable=False),
        sa.ForeignKeyConstraint(["location_id"], ["locations.id"], name=op.f("fk_sealed_ranges_location_id")),
        sa.ForeignKeyConstraint(["file_id"], ["archive_files.id"], name=op.f("fk_sealed_ranges_file_id")),
        sa.PrimaryKeyConstraint("location_id", "first_at", name=op.f("pk_sealed_ranges")),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_sealed_ranges_file", "sealed_ranges", ["file_id", "location_id"])


def downgrade() -> None:
    count = op.get_bind().execute(sa.text("SELECT count(*) FROM sealed_ranges")).scalar()
    if count:
        raise RuntimeError("rows are in the archive only: bring them back with meteorograph archive restore --all first")
    op.drop_table("sealed_ranges")
    op.drop_table("archive_files")

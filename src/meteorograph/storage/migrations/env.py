"""Alembic's entry: runs the migrations in the connection and transaction that ``upgrade`` has opened."""

from __future__ import annotations

from alembic import context

from meteorograph.storage.models import Base

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    transactional_ddl=True,
    render_as_batch=True,
)
context.run_migrations()

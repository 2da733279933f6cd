"""``meteorograph db``: the schema of the database."""

from __future__ import annotations

import click

from .groups import Group


@click.group(cls=Group)
def db() -> None:
    """Upgrade or show the database schema."""


@db.command()
def upgrade() -> None:
    """Apply the migrations that are missing."""
    from ..storage.engine import init_db

    before = _revision()
    init_db()
    after = _revision()
    click.echo(f"{_database_url()}: {after}" + (" already" if before == after else f", was {before or 'empty'}"))


@db.command()
def current() -> None:
    """Show the revision of the schema; exit 1 if it is not the newest."""
    from ..storage import migrations

    revision, newest = _revision(), migrations.newest_revision()
    hint = "" if revision == newest else f", newest is {newest}: run meteorograph db upgrade"
    click.echo(f"{_database_url()}: {revision or 'empty'}{hint}")
    if revision != newest:
        raise SystemExit(1)


def _revision() -> str | None:
    from sqlalchemy.exc import DBAPIError

    from ..errors import StoreError
    from ..storage import migrations
    from ..storage.database_errors import plain_reason
    from ..storage.engine import get_engine

    try:
        return migrations.current_revision(get_engine())
    except DBAPIError as error:
        raise StoreError(f"the database {_database_url()} cannot be used: {plain_reason(error)}") from error


def _database_url() -> str:
    """URL of the configured database as in ``DATABASE_URL``, without its password."""
    from ..storage.connections import shown_url
    from ..storage.engine import get_engine

    return shown_url(get_engine().url)

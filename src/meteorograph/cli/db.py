"""``meteorograph db``: the schema of the database."""

from __future__ import annotations

import time

import click

from .groups import Group
from .progress import show_bar


@click.group(cls=Group)
def db() -> None:
    """Upgrade or show the database schema, and copy a database."""


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


@db.command()
@click.argument("source")
@click.argument("target")
def copy(source: str, target: str) -> None:
    """Copy the database at one URL into an empty one at another, and compare them; from SQLite to PostgreSQL or back.

    Run it again if it was interrupted: it goes on. The journal and the settings are no part of a database.
    """
    from pydantic import SecretStr

    from ..backups.copy_database import copy_database
    from ..config.checks import check_database_url
    from ..model.words import counted

    for name, url in (("SOURCE", source), ("TARGET", target)):
        try:
            check_database_url(SecretStr(url))
        except ValueError as error:
            raise click.UsageError(f"{name}: must be {error}") from None
    began = time.monotonic()
    with show_bar("locations copied and compared") as show:
        result = copy_database(source, target, show)
    seconds = time.monotonic() - began
    already = f", {result.rows - result.written:,} of them before" if result.written < result.rows else ""
    rows, places = counted(result.rows, "row"), counted(result.locations, "location")
    click.echo(f"copied {rows} of weather of {places}{already}, and {counted(result.others, 'other row')}")
    click.echo(f"compared {counted(result.months, 'month')} of locations: equal; {seconds:.1f} s in all")


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

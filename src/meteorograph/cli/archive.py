"""``meteorograph archive``: sealed months, and their rows back."""

from __future__ import annotations

import threading
from dataclasses import asdict
from datetime import datetime
from typing import Any, Final

import click

from ..model.words import counted
from .groups import Group
from .options import json_option, location_option
from .output import Column, complain, print_json, print_table
from .sessions import open_session

_COLUMNS: Final = (
    Column("month"),
    Column("files", is_number=True),
    Column("locations", is_number=True),
    Column("rows", is_number=True),
    Column("bytes", is_number=True),
    Column("sealed (UTC)"),
)
_TASK_COLUMNS: Final = (Column("month"), Column("locations", is_number=True), Column("rows", is_number=True))


@click.group(cls=Group)
def archive() -> None:
    """Seal old months into Parquet files, list and verify them, and bring their rows back."""


@archive.command("list")
@json_option
def list_command(as_json: bool) -> None:
    """List the sealed months."""
    from ..archiving.files import list_months

    with open_session(read_only=True) as session:
        months = list_months(session)
    if as_json:
        return print_json(
            [{**asdict(one), "month": f"{one.month:%Y-%m}", "sealed_at": one.sealed_at.isoformat()} for one in months]
        )
    if not months:
        complain("no month is sealed")
    print_table(
        _COLUMNS,
        [
            (
                f"{one.month:%Y-%m}",
                *(f"{n:,}" for n in (one.files, one.locations, one.rows, one.size)),
                f"{one.sealed_at:%F %H:%M}",
            )
            for one in months
        ],
    )


@archive.command()
@json_option
def verify(as_json: bool) -> None:
    """Read all files of the archive, and compare checksums and numbers of rows; exit 1 if one is not intact."""
    from ..archiving.files import unknown_files, verify_file
    from ..storage.archive.files import read_files

    faults: dict[str, str] = {}
    with open_session(read_only=True) as session:
        files = [one for one in read_files(session) if one.emptied_at is None]  # backups leave the others out
        for file in files:
            if (fault := verify_file(session, file)) is not None:
                faults[file.name] = fault
        unknown = unknown_files(session)
    if as_json:
        print_json({"files": [{"name": one.name, "fault": faults.get(one.name)} for one in files], "unknown": unknown})
    else:
        for one in files:
            if one.name not in faults:
                click.echo(f"{one.name}: {counted(one.rows, 'row')}, intact")
        for name, fault in faults.items():
            complain(f"{name} {fault}")
        for name in unknown:
            complain(f"{name} is in the folder, and the database does not know it")
        if not files:
            complain("no month is sealed")
    if faults:
        raise SystemExit(1)


@archive.command()
@click.argument("month", required=False)
@click.option("--all", "is_all", is_flag=True, help="All sealed months.")
@location_option
def restore(month: str | None, is_all: bool, location: str | None) -> None:
    """Bring the rows of MONTH, such as 2026-03, back into the database.

    They are sealed again once they are older than METEOROGRAPH_RETENTION_DAYS: raise it first to keep them.
    """
    from ..archiving.files import restore_month
    from ..locations.repository import get_location

    if (month is None) != is_all:
        raise click.UsageError("name a MONTH such as 2026-03, or --all")
    at = None if month is None else _parse_month(month)
    with open_session(read_only=True) as session:
        location_id = None if location is None else get_location(session, location).id
    rows = restore_month(at, location_id)
    if not rows:
        complain("no row of it is sealed")
        raise SystemExit(1)
    click.echo(f"{counted(rows, 'row')} are in the database again" if rows > 1 else "1 row is in the database again")


def _parse_month(text: str) -> datetime:
    from datetime import UTC

    try:
        return datetime.strptime(text, "%Y-%m").replace(tzinfo=UTC)
    except ValueError:
        raise click.UsageError(f"MONTH {text}: must be a year and a month such as 2026-03") from None


@archive.command()
@click.option("--dry-run", is_flag=True, help="Only show what would be sealed.")
@json_option
def seal(dry_run: bool, as_json: bool) -> None:
    """Seal what is older than METEOROGRAPH_RETENTION_DAYS now; the service does so once an hour."""
    from ..archiving.candidates import require_retention
    from ..archiving.sealing import seal_months
    from ..config.loading import get_settings
    from ..logs import setup_logging

    require_retention(get_settings())
    setup_logging(get_settings().model_copy(update={"log_level": "ERROR"}))
    if dry_run:
        return _show_tasks(as_json=as_json)
    with open_session(read_only=True):
        pass
    result = seal_months(threading.Event())
    if result is None:
        complain("another process seals at this moment")
        raise SystemExit(1)
    if as_json:
        return print_json(asdict(result))
    each = f", {result.size / result.rows:.1f} bytes a row" if result.rows else ""
    click.echo(f"{counted(result.rows, 'row')} sealed in {counted(result.files, 'file')}{each}")
    if result.skipped:
        complain(f"{counted(result.skipped, 'row')} of locations that were written meanwhile stay in the database")


def _show_tasks(*, as_json: bool) -> None:
    from ..archiving.candidates import count_tasks
    from ..config.loading import get_settings
    from ..model import clock

    with open_session(read_only=True) as session:
        counts = count_tasks(session, get_settings(), clock.now())
    found: list[dict[str, Any]] = [{"month": f"{month:%Y-%m}", "locations": ids, "rows": rows} for month, ids, rows in counts]
    if as_json:
        return print_json(found)
    if not found:
        complain("nothing is old enough, or its days are not rolled up yet")
    print_table(_TASK_COLUMNS, [(one["month"], f"{one['locations']:,}", f"{one['rows']:,}") for one in found])

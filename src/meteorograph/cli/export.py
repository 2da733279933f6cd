"""``meteorograph export``: the data as files."""

from __future__ import annotations

import sys
from datetime import datetime
from pathlib import Path

import click


@click.command()
@click.option("--format", type=click.Choice(["csv", "parquet", "ndjson"]), default="csv", show_default=True)
@click.option("--location", "locations", multiple=True, help="Only the location of this name; may be given several times.")
@click.option("--tag", "tags", multiple=True, help="Only locations with this tag; may be given several times.")
@click.option("--start", metavar="TIME", help="From then on: an ISO 8601 time (UTC without a zone) or a time back from now.")
@click.option("--end", metavar="TIME", help="Before then: likewise.")
@click.option("-o", "--output", type=click.Path(path_type=Path), metavar="FILE", help="Write there instead of to stdout.")
@click.option("--partitioned", is_flag=True, help="Parquet by year and month; FILE is a folder.")
def export(
    format: str,
    locations: tuple[str, ...],
    tags: tuple[str, ...],
    start: str | None,
    end: str | None,
    output: Path | None,
    partitioned: bool,
) -> None:
    """Write the rows, by location and time, as CSV, lines of JSON or Parquet."""
    from ..exporting import export as exporting
    from ..storage.engine import get_db_session, init_db
    from .progress import Progress

    if output is None and (format == "parquet" or partitioned):
        raise click.UsageError("--format parquet is written to a file: name it with --output")
    if partitioned and format != "parquet":
        raise click.UsageError(f"--partitioned goes with --format parquet, not {format}")
    asked = exporting.ExportQuery(locations, tags, _moment("start", start), _moment("end", end))
    init_db()
    progress = Progress()

    def tell(done: int, total: int) -> None:
        if output is not None and sys.stderr.isatty():
            progress(total, done, 0)

    with get_db_session(read_only=True) as session:
        if output is not None and partitioned:
            told = exporting.export_partitioned(session, asked, output, tell)
        else:
            found = next(each for each in exporting.FORMATS if each == format)
            told = exporting.export(session, asked, found, output or sys.stdout.buffer, tell)
    if output is not None:
        if sys.stderr.isatty():
            progress.end()
        click.echo(f"{told.rows:,} rows to {', '.join(map(str, told.files))}", err=True)


def _moment(name: str, text: str | None) -> datetime | None:
    from ..model import clock, time_range

    try:
        return None if text is None else time_range.parse_instant(text, clock.now())
    except ValueError as error:
        raise click.UsageError(f"--{name} {text}: {error}") from None

"""``meteorograph export``: stored rows as files."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from ..model.words import counted
from .options import background_option, parse_moment, range_options
from .tasks import add_task


@click.command()
@click.option("--format", type=click.Choice(["csv", "parquet", "ndjson", "netcdf"]), default="csv", show_default=True)
@click.option("--location", "locations", multiple=True, help="Only the location of this name; repeatable.")
@click.option("--tag", "tags", multiple=True, help="Only locations with this tag; repeatable.")
@range_options("first row", "last row")
@click.option("-o", "--output", type=click.Path(path_type=Path), metavar="FILE", help="Write to FILE instead of stdout.")
@click.option("--bom", is_flag=True, help="Begin a CSV with a byte order mark, by which spreadsheet programs recognise UTF-8.")
@click.option("--partitioned", is_flag=True, help="Write Parquet files by year and month; FILE is a folder.")
@background_option
def export(
    format: str,
    locations: tuple[str, ...],
    tags: tuple[str, ...],
    start: str | None,
    end: str | None,
    output: Path | None,
    bom: bool,
    partitioned: bool,
    in_background: bool,
) -> None:
    """Write rows as CSV, NDJSON, Parquet or netCDF, sorted by location and time."""
    from ..exporting import export as exporting
    from ..model import clock
    from ..storage.engine import get_db_session, init_db
    from .progress import show_bar

    if output is None and (format in exporting.FILE_FORMATS or partitioned):
        raise click.UsageError(f"--format {'parquet' if partitioned else format} needs a file: name it with --output")
    if bom and format != "csv":
        raise click.UsageError(f"--bom needs --format csv, not {format}")
    if partitioned and format != "parquet":
        raise click.UsageError(f"--partitioned needs --format parquet, not {format}")
    now = clock.now()
    query = exporting.ExportQuery(locations, tags, parse_moment("start", start, now), parse_moment("end", end, now))
    if in_background:
        if output is None:
            raise click.UsageError("--background needs a file: name it with --output")
        if not output.absolute().parent.is_dir():
            raise click.UsageError(f"--output {output}: its folder must exist")
        edges = {name: at and at.isoformat() for name, at in (("start", query.start), ("end", query.end))}
        names = {"format": format, "locations": locations, "tags": tags, "output": str(output.absolute())}
        return add_task("export", {**names, **edges, "bom": bom, "partitioned": partitioned})
    init_db()
    with get_db_session(read_only=True) as session, show_bar("exporting", is_hidden=output is None) as show:
        if output is not None and partitioned:
            result = exporting.export_partitioned(session, query, output, show)
        else:
            known_format = next(known for known in exporting.FORMATS if known == format)
            result = exporting.export(session, query, known_format, output or sys.stdout.buffer, show, has_byte_order_mark=bom)
    if output is not None:
        click.echo(f"{counted(result.rows, 'row')} to {', '.join(map(str, result.files))}", err=True)

"""``meteorograph locations import`` and ``export``: locations from and to CSV and GeoJSON files."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from typing import IO, Any, Final, Literal

import click

from ..errors import LocationFileError
from ..locations.fields import LOCATION_STATES
from .options import json_option
from .output import complain, print_json
from .progress import show_bar
from .sessions import open_session

#: Longest file that is imported [bytes].
_MAX_BYTES: Final = 64 * 1024 * 1024

#: Warnings that are printed; the others are counted. ``--json`` has all of them.
_MAX_WARNINGS_SHOWN: Final = 20

_format_option = click.option("--format", "format", type=click.Choice(["csv", "geojson"]), help="[by the ending of the name]")
state_option = click.option("--state", type=click.Choice(LOCATION_STATES), help="Only locations in this state.")
tag_option = click.option("--tag", help="Only locations with this tag.")


@click.command("import")
@click.argument("file", type=click.File("rb"))
@_format_option
@click.option("--update", is_flag=True, help="Update existing locations of the same name.")
@click.option("--skip-bad", is_flag=True, help="Import without the rows that are wrong; still exit 1.")
@json_option
def import_locations(file: IO[bytes], format: str | None, update: bool, skip_bad: bool, as_json: bool) -> None:
    """Add the locations of a CSV or GeoJSON FILE (- is stdin), all or none, in one transaction."""
    from ..locations.files import read_locations
    from ..locations.importing import execute_plan, plan_import
    from ..model import clock
    from ..web.json_objects import import_object

    format = _format(format, file.name)
    size = _size(file)
    with show_bar("reading", is_hidden=not size) as show:
        # Read before the transaction begins: a pipe may be slow.
        rows = list(read_locations(_lines(file, lambda done: show(done, size)), format))
    with open_session() as session:
        plan = plan_import(session, rows, update_existing=update)
        is_done = skip_bad or not plan.bad
        if is_done:
            count = 0
            with show_bar("storing", is_hidden=not len(plan)) as show:
                for stored in execute_plan(session, plan, clock.now()):
                    count += stored
                    show(count, len(plan))
    for row in plan.bad:
        complain(f"{file.name} {row}")
    warn(plan.warnings)
    summary = import_object(plan) if is_done else {**import_object(plan), "added": 0, "updated": 0, "unchanged": 0}
    if as_json:
        print_json(summary)
    elif is_done:
        click.echo(_summary(summary))
    if plan.bad:
        count_text = f"{plan.bad_count} {'row is' if plan.bad_count == 1 else 'rows are'} wrong"
        hint = " (--update updates existing locations)" if plan.conflicts and not update else ""
        complain(
            f"{count_text} and left out"
            if skip_bad
            else f"{count_text}: nothing was changed; --skip-bad imports the others{hint}"
        )
        raise SystemExit(1)


def _summary(summary: dict[str, Any]) -> str:
    if summary["unchanged"] and not any(summary[name] for name in ("added", "updated", "bad")):
        count = summary["unchanged"]
        return f"nothing to do: {f'all {count} locations are' if count > 1 else 'the location is'} up to date"
    return ", ".join(f"{name} {summary[name]}" for name in ("added", "updated", "unchanged"))


@click.command()
@click.argument("file", type=click.Path(dir_okay=False, allow_dash=True), default="-")
@_format_option
@state_option
@tag_option
def export(file: str, format: str | None, state: str | None, tag: str | None) -> None:
    """Write locations to FILE (- is stdout) as CSV or GeoJSON; unscheduled ones only with --state."""
    from ..locations.files import write_locations
    from ..locations.views import list_fields

    format = _format(format, file) if file != "-" or format else "csv"
    with open_session(read_only=True) as session:
        locations = list_fields(session, state=state, tag=tag)
    with click.open_file(file, "wb", atomic=file != "-") as stream:
        for text in write_locations(locations, format):
            stream.write(text.encode())
    click.echo(f"wrote {len(locations)} to {file}", err=True)


def _format(format: str | None, name: str) -> Literal["csv", "geojson"]:
    ending = os.path.splitext(name)[1].lower()
    match format or {".csv": "csv", ".geojson": "geojson", ".json": "geojson"}.get(ending):
        case "csv":
            return "csv"
        case "geojson":
            return "geojson"
    raise click.UsageError(f"--format is missing: the name {name!r} does not end in .csv or .geojson")


def _size(file: IO[bytes]) -> int:
    """Size of the file [bytes]; 0 if it is unknown, as for a pipe."""
    try:
        return os.fstat(file.fileno()).st_size
    except OSError:
        return 0


def _lines(file: IO[bytes], show: Callable[[int], None]) -> Iterator[bytes]:
    read = number = 0
    while line := file.readline(_MAX_BYTES - read + 1):  # a line may have no end
        read += len(line)
        if read > _MAX_BYTES:
            raise LocationFileError(f"{file.name}: the file has more than {_MAX_BYTES:,} bytes; divide it into several files")
        number += 1
        if number % 100 == 0:
            show(read)
        yield line
    show(read)


def warn(warnings: Sequence[str]) -> None:
    """Print the first warnings, and how many more there are."""
    for warning in warnings[:_MAX_WARNINGS_SHOWN]:
        complain(f"warning: {warning}")
    if len(warnings) > _MAX_WARNINGS_SHOWN:
        complain(f"warning: and {len(warnings) - _MAX_WARNINGS_SHOWN} more")

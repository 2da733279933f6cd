"""``meteorograph locations``: list, add, import, pause, resume, remove and export them."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Any, Final, Literal

import click

from ..errors import MeteorographError
from ..locations.fields import LOCATION_STATES
from ..model.states import LocationState
from ..redaction import redact

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

#: Warnings that are printed; the others are counted. ``--json`` has them all.
_MOST_WARNINGS: Final = 20

_FORMAT = click.option("--format", "format", type=click.Choice(["csv", "geojson"]), help="Unless the file's ending says it.")
_STATE = click.option("--state", type=click.Choice(LOCATION_STATES), help="Only those in this state.")
_TAG = click.option("--tag", help="Only those with this tag.")
_JSON = click.option("--json", "as_json", is_flag=True, help="JSON instead of text.")


@click.group("locations")
def locations() -> None:
    """The places that are collected."""


@locations.command("list")
@_STATE
@_TAG
@_JSON
def list_locations(state: str | None, tag: str | None, as_json: bool) -> None:
    """Show locations by name."""
    from ..locations.views import list_locations
    from ..model import clock
    from ..web.json_objects import location_object
    from .location_table import table

    with _session(read_only=True) as session:
        found = list_locations(session, state=state, tag=tag)
    if as_json:
        click.echo(json.dumps([location_object(location) for location in found], ensure_ascii=False, indent=1))
    elif found:
        click.echo("\n".join(table(found, clock.now())))
    else:
        click.echo("no locations" if state is None and tag is None else "no such locations")


@locations.command()
@click.argument("name")
@click.option("--lat", type=float, required=True, help="Latitude [degree north, -90 to 90].")
@click.option("--lon", type=float, required=True, help="Longitude [degree east, -180 to 180].")
@click.option("--elevation", type=float, help="Height above sea level [m].")
@click.option("--timezone", help="IANA time zone, such as Europe/Dublin.")
@click.option("--schedule", help="A schedule of its own, such as 15m or '0 6,18 * * *'.")
@click.option("--tag", "tags", multiple=True, help="A tag; may be given several times.")
def add(name: str, lat: float, lon: float, tags: tuple[str, ...], **more: Any) -> None:
    """Add a location."""
    from ..locations.repository import add_location
    from ..model import clock

    given = {"name": name, "latitude": lat, "longitude": lon, "tags": list(tags), **more}
    with _session() as session:
        made, warnings = add_location(session, given, clock.now())
        _warn(warnings)
        click.echo(f"added {made.name!r} at {made.latitude!r},{made.longitude!r}")


@locations.command("import")
@click.argument("file", type=click.File("rb"))
@_FORMAT
@click.option("--update", is_flag=True, help="Let the file overrule locations of the same name.")
@click.option("--skip-bad", is_flag=True, help="Go on without the rows that are wrong; exit 1 all the same.")
@_JSON
def import_locations(file: IO[bytes], format: str | None, update: bool, skip_bad: bool, as_json: bool) -> None:
    """Add the locations of a CSV or GeoJSON FILE (- is stdin), all or none, in one transaction."""
    from ..locations.files import read_locations
    from ..locations.importing import execute_plan, plan_import
    from ..model import clock
    from ..web.json_objects import import_object

    format = _format(format, file.name)
    with _bar("reading", _size(file)) as bar:
        rows = list(read_locations(_watched(file, bar), format))  # before the transaction: what feeds a pipe may take its time
    with _session() as session:
        made = plan_import(session, rows, update_existing=update)
        done = skip_bad or not made.bad
        if done:
            with _bar("storing", len(made)) as bar:
                for stored in execute_plan(session, made, clock.now()):
                    bar.update(stored)
    for row in made.bad:
        _complain(f"{file.name} {row}")
    _warn(made.warnings)
    summary = import_object(made) if done else {**import_object(made), "added": 0, "updated": 0, "unchanged": 0}
    if as_json:
        click.echo(json.dumps(summary, ensure_ascii=False, indent=1))
    elif done:
        click.echo(_summary(summary))
    if made.bad:
        wrong = f"{len(made.bad)} {'row is' if len(made.bad) == 1 else 'rows are'} wrong"
        hint = " (--update lets the file overrule what is there)" if made.conflicts and not update else ""
        _complain(f"{wrong} and left out" if skip_bad else f"{wrong}: nothing was changed; --skip-bad goes on without{hint}")
        raise SystemExit(1)


def _summary(summary: dict[str, Any]) -> str:
    if summary["unchanged"] and not any(summary[name] for name in ("added", "updated", "bad")):
        return f"nothing to do: all {summary['unchanged']} are there as the file has them"
    return ", ".join(f"{name} {summary[name]}" for name in ("added", "updated", "unchanged"))


@locations.command()
@click.argument("file", type=click.Path(dir_okay=False, allow_dash=True), default="-")
@_FORMAT
@_STATE
@_TAG
def export(file: str, format: str | None, state: str | None, tag: str | None) -> None:
    """Write locations to FILE (- is stdout) as CSV or GeoJSON: all but the unscheduled ones, unless --state says so."""
    from ..locations.files import write_locations
    from ..locations.views import list_fields

    format = _format(format, file) if file != "-" or format else "csv"
    with _session(read_only=True) as session:
        found = list_fields(session, state=state, tag=tag)
    with click.open_file(file, "wb", atomic=file != "-") as out:
        for piece in write_locations(found, format):
            out.write(piece.encode())
    click.echo(f"wrote {len(found)} to {file}", err=True)


@locations.command()
@click.argument("names", nargs=-1, metavar="[NAME]...")
@_TAG
@click.option("--all", "everyone", is_flag=True, help="All that are scheduled.")
def pause(names: tuple[str, ...], tag: str | None, everyone: bool) -> None:
    """Stop collecting locations until they are resumed."""
    _set_state(LocationState.PAUSED, names, tag, everyone)


@locations.command()
@click.argument("names", nargs=-1, metavar="[NAME]...")
@_TAG
@click.option("--all", "everyone", is_flag=True, help="All that are paused.")
def resume(names: tuple[str, ...], tag: str | None, everyone: bool) -> None:
    """Collect locations again; an unscheduled one that is named becomes a scheduled one."""
    _set_state(LocationState.ACTIVE, names, tag, everyone)


def _set_state(state: LocationState, names: tuple[str, ...], tag: str | None, everyone: bool) -> None:
    from ..locations.repository import set_state, set_state_by_tag

    if bool(names) + (tag is not None) + everyone != 1:
        raise click.UsageError("name locations, or give one of --tag and --all")
    missing: list[str] = []
    with _session() as session:
        if names:
            changed, missing = set_state(session, state, names)
            meant = len(names) - len(missing)
        else:
            changed, meant = set_state_by_tag(session, state, tag)
    for name in missing:
        _complain(f"no location is named {name!r}")
    if tag is not None and not meant:
        _complain(f"no scheduled location has the tag {tag!r}")
    already = f", {meant - changed} already {state}" if meant > changed else ""
    click.echo(f"{'paused' if state == LocationState.PAUSED else 'resumed'} {changed}{already}")
    if missing or (tag is not None and not meant):
        raise SystemExit(1)


@locations.command()
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
@click.option("--with-data", is_flag=True, help="Delete its rows of data too.")
@click.option("--keep-data", is_flag=True, help="Keep its rows; the location stays with them, unscheduled.")
def remove(names: tuple[str, ...], with_data: bool, keep_data: bool) -> None:
    """Remove locations; one that has data is refused unless you say what becomes of it."""
    from ..errors import LocationHasDataError
    from ..locations.repository import remove_location

    if with_data and keep_data:
        raise click.UsageError("--with-data and --keep-data exclude each other")
    failed = False
    for name in names:
        try:
            with _session() as session:
                rows = remove_location(session, name, "delete" if with_data else "keep" if keep_data else None)
        except LocationHasDataError as error:
            failed = True
            _complain(f"{error}: --with-data deletes them, --keep-data keeps them")
        except MeteorographError as error:
            failed = True
            _complain(str(error))
        else:
            told = f"; its {rows} rows are {'kept, unscheduled' if keep_data else 'deleted'}" if rows else ""
            click.echo(f"removed {name!r}{told}")
    if failed:
        raise SystemExit(1)


@contextmanager
def _session(*, read_only: bool = False) -> Iterator[Session]:
    from ..storage.engine import get_db_session, init_db

    init_db()
    with get_db_session(read_only=read_only) as session:
        yield session


def _format(format: str | None, name: str) -> Literal["csv", "geojson"]:
    ending = os.path.splitext(name)[1].lower()
    match format or {".csv": "csv", ".geojson": "geojson", ".json": "geojson"}.get(ending):
        case "csv":
            return "csv"
        case "geojson":
            return "geojson"
    raise click.UsageError(f"--format is missing: the name {name!r} does not end in .csv or .geojson")


def _size(file: IO[bytes]) -> int:
    """How many bytes there are to read; 0 where nobody knows, as in a pipe."""
    try:
        return os.fstat(file.fileno()).st_size
    except OSError:
        return 0


def _bar(label: str, length: int) -> Any:
    """A progress bar on stderr, if that is a terminal."""
    return click.progressbar(length=length, label=label, file=sys.stderr, hidden=not (length and sys.stderr.isatty()))


def _watched(file: IO[bytes], bar: Any) -> Iterator[bytes]:
    for line in file:
        bar.update(len(line))
        yield line


def _warn(warnings: list[str]) -> None:
    for warning in warnings[:_MOST_WARNINGS]:
        _complain(f"warning: {warning}")
    if len(warnings) > _MOST_WARNINGS:
        _complain(f"warning: and {len(warnings) - _MOST_WARNINGS} more like these")


def _complain(line: str) -> None:
    click.echo(f"meteorograph: {redact(' '.join(line.split()))}", err=True)

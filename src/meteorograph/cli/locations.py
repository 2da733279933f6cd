"""``meteorograph locations``: list, show, add, edit, rename, import, export, pause, resume and remove locations."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

import click

from ..errors import LocationNotFoundError, MeteorographError
from ..model.states import LocationState
from ..model.values import FAR_OFF_KM
from ..model.words import are, plural
from . import location_files
from .groups import Group
from .location_files import state_option, tag_option, warn
from .options import json_option
from .output import Column, age_text, complain, print_json, print_table
from .places import choose_option, choose_place, place_text
from .sessions import not_found_text, open_session

if TYPE_CHECKING:
    from ..locations.views import LocationView, ResolvedPlace

_COLUMNS: Final = (
    Column("name", wraps=True),
    Column("latitude"),
    Column("longitude"),
    Column("state", is_state=True),
    *(Column(title, wraps=True) for title in ("schedule", "timezone", "tags")),
    Column("last"),
    Column("answered for", wraps=True),
)

#: What an option is set to that shall have no value.
_NONE: Final = "none"


@click.group("locations", cls=Group)
def locations() -> None:
    """List and change the locations that are collected."""


locations.add_command(location_files.import_locations)
locations.add_command(location_files.export)


@locations.command("list")
@state_option
@tag_option
@json_option
def list_locations(state: str | None, tag: str | None, as_json: bool) -> None:
    """Show locations by name."""
    from ..locations.views import list_locations
    from ..model import clock
    from ..web.json_objects import location_object

    with open_session(read_only=True) as session:
        views = list_locations(session, state=state, tag=tag)
    if as_json:
        print_json([location_object(view) for view in views])
    elif views:
        now = clock.now()
        print_table(_COLUMNS, [_cells(view, now) for view in views])
    else:
        click.echo("no locations" if state is None and tag is None else "no such locations")


def _cells(view: LocationView, now: datetime) -> tuple[str, ...]:
    return (
        view.name,
        f"{view.latitude:.4f}",
        f"{view.longitude:.4f}",
        view.state,
        view.schedule or "",
        view.timezone or "",
        ", ".join(view.tags),
        age_text(view.last_at, now),
        _answered_for(view.resolved),
    )


def _answered_for(resolved: ResolvedPlace | None) -> str:
    """The place that the provider answers for; an exclamation mark if it is far from the location."""
    if resolved is None:
        return ""
    distance = resolved.distance_km
    return f"{resolved.name or 'a place'}, {distance:.1f} km off{' (!)' if distance > FAR_OFF_KM else ''}"


@locations.command("show")
@click.argument("name")
@json_option
def show_location(name: str, as_json: bool) -> None:
    """Show a location: what is set, and what the provider answers for."""
    from ..locations.views import get_location_view
    from ..model import clock
    from ..web.json_objects import location_object

    with open_session(read_only=True) as session:
        view = get_location_view(session, name)
    if as_json:
        return print_json(location_object(view))
    titles = [column.title for column in _COLUMNS]
    cells = [*zip(titles, _cells(view, clock.now()), strict=True)]
    if view.elevation is not None:
        cells.insert(3, ("elevation", f"{view.elevation:g} m"))
    print_table((Column(), Column(wraps=True)), [cell for cell in cells if cell[1]])


@locations.command()
@click.argument("name")
@click.option("--elevation", help="Height above sea level [m], or none.")
@click.option("--timezone", help="IANA time zone, such as Europe/Dublin, or none.")
@click.option("--schedule", help="Schedule of this location, such as 15m, or none for the default.")
@click.option("--tag", "tags", multiple=True, help="The tags from now on; repeatable, or none.")
def edit(name: str, tags: tuple[str, ...], **texts: str | None) -> None:
    """Change a location. Other coordinates would make another location: add one."""
    from ..locations.fields import parse_cell
    from ..locations.repository import change_location

    changes: dict[str, object] = {
        field: None if text == _NONE else parse_cell(field, text) for field, text in texts.items() if text is not None
    }
    if tags:
        changes["tags"] = [] if tags == (_NONE,) else list(tags)
    if not changes:
        raise click.UsageError("give at least one of --elevation, --timezone, --schedule and --tag")
    with open_session() as session:
        location = change_location(session, name, changes)
        click.echo(f"changed {location.name!r}: {', '.join(changes)}")


@locations.command()
@click.argument("name")
@click.argument("new_name")
def rename(name: str, new_name: str) -> None:
    """Give a location another name; its rows stay."""
    from ..locations.repository import change_location

    with open_session() as session:
        location = change_location(session, name, {"name": new_name})
        click.echo(f"renamed {name!r} to {location.name!r}")


@locations.command()
@click.argument("name")
@click.option("--lat", type=float, help="Latitude [degree north, -90 to 90]; without it the name is looked up.")
@click.option("--lon", type=float, help="Longitude [degree east, -180 to 180].")
@choose_option
@click.option("--elevation", type=float, help="Height above sea level [m].")
@click.option("--timezone", help="IANA time zone, such as Europe/Dublin.")
@click.option("--schedule", help="Schedule of this location, such as 15m or '0 6,18 * * *'.")
@click.option("--tag", "tags", multiple=True, help="A tag; repeatable.")
def add(name: str, lat: float | None, lon: float | None, choose: int | None, tags: tuple[str, ...], **more: Any) -> None:
    """Add a location. Without coordinates, these, its elevation and its zone come from Open-Meteo's geocoder."""
    from ..locations.repository import add_location
    from ..model import clock

    if (lat is None) != (lon is None):
        raise click.UsageError("give both --lat and --lon, or none of them")
    fields = {"name": name, "latitude": lat, "longitude": lon, "tags": list(tags), **more}
    if lat is None:
        fields |= {key: value for key, value in _looked_up(name, choose).items() if fields.get(key) is None}
    with open_session() as session:
        location, warnings = add_location(session, fields, clock.now())
        warn(warnings)
        click.echo(f"added {location.name!r} at {location.latitude!r},{location.longitude!r}")


def _looked_up(name: str, choose: int | None) -> dict[str, object]:
    """The fields of the place that has this name."""
    from ..config.loading import get_settings

    place = choose_place(get_settings(), name, choose)
    click.echo(f"found {place_text(place)}")
    point = place.coordinates
    fields = {"latitude": point.latitude, "longitude": point.longitude, "elevation": place.elevation, "timezone": place.timezone}
    return {field: value for field, value in fields.items() if value is not None}


@locations.command()
@click.argument("names", nargs=-1, metavar="[NAME]...")
@tag_option
@click.option("--all", "is_all", is_flag=True, help="All scheduled locations.")
def pause(names: tuple[str, ...], tag: str | None, is_all: bool) -> None:
    """Stop collecting locations until they are resumed."""
    _set_state(LocationState.PAUSED, names, tag, is_all)


@locations.command()
@click.argument("names", nargs=-1, metavar="[NAME]...")
@tag_option
@click.option("--all", "is_all", is_flag=True, help="All paused locations.")
def resume(names: tuple[str, ...], tag: str | None, is_all: bool) -> None:
    """Collect locations again; an unscheduled location that you name becomes scheduled."""
    _set_state(LocationState.ACTIVE, names, tag, is_all)


def _set_state(state: LocationState, names: tuple[str, ...], tag: str | None, is_all: bool) -> None:
    from ..locations.repository import set_state, set_state_by_tag

    if bool(names) + (tag is not None) + is_all != 1:
        raise click.UsageError("name locations, or use one of --tag and --all")
    missing: list[str] = []
    with open_session() as session:
        if names:
            changed, missing = set_state(session, state, names)
            matched = len(names) - len(missing)
        else:
            changed, matched = set_state_by_tag(session, state, tag)
    for name in missing:
        complain(not_found_text(name))
    if tag is not None and not matched:
        complain(f"no scheduled location has the tag {tag!r}")
    already = f", {matched - changed} already {state}" if matched > changed else ""
    click.echo(f"{'paused' if state == LocationState.PAUSED else 'resumed'} {changed}{already}")
    if missing or (tag is not None and not matched):
        raise SystemExit(1)


@locations.command()
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
@click.option("--with-data", is_flag=True, help="Also delete its rows.")
@click.option("--keep-data", is_flag=True, help="Keep its rows; the location stays, unscheduled.")
def remove(names: tuple[str, ...], with_data: bool, keep_data: bool) -> None:
    """Remove locations; one that has rows needs --with-data or --keep-data."""
    from ..errors import LocationHasDataError
    from ..locations.repository import remove_location

    if with_data and keep_data:
        raise click.UsageError("use only one of --with-data and --keep-data")
    has_failed = False
    for name in names:
        try:
            with open_session() as session:
                rows = remove_location(session, name, "delete" if with_data else "keep" if keep_data else None)
        except LocationHasDataError as error:
            has_failed = True
            complain(f"{error}: --with-data deletes them, --keep-data keeps them")
        except LocationNotFoundError:
            has_failed = True
            complain(not_found_text(name))
        except MeteorographError as error:
            has_failed = True
            complain(str(error))
        else:
            fate = "kept, unscheduled" if keep_data else "deleted"
            note = f"; its {rows} {plural(rows, 'row')} {are(rows)} {fate}" if rows else ""
            click.echo(f"removed {name!r}{note}")
    if has_failed:
        raise SystemExit(1)

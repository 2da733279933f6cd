"""``meteorograph show``: the newest stored weather of all locations, or of one."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, cast
from zoneinfo import ZoneInfo

import click

from ..model.flags import is_suspect
from ..model.units import SYSTEMS, System, Units
from .options import json_option
from .output import Column, age_text, print_json, print_table
from .sessions import open_session

if TYPE_CHECKING:
    from ..reading.rows import WeatherRow

#: Decimals of a value in a unit; whole numbers in the others.
_DECIMALS: Final = {"°C": 1, "°F": 1, "K": 1, "hPa": 1, "inHg": 2, "m/s": 1, "mi/h": 1, "mm": 1, "in": 2, "mi": 1, "m": 0}
#: In SI the amount of precipitation is in metres.
_AMOUNT_DECIMALS: Final = {"m": 4}

#: Eight points of the compass, clockwise from north.
_POINTS: Final = ("N", "NE", "E", "SE", "S", "SW", "W", "NW")

_COLUMNS: Final = (
    Column("location", wraps=True),
    *(Column(title, is_number=True) for title in ("age", "temperature", "humidity", "wind")),
    Column("from"),
    Column("precipitation", is_number=True),
    Column("weather", wraps=True),
)


@click.command()
@click.argument("place", required=False)
@click.option("--units", type=click.Choice(SYSTEMS), default="metric", show_default=True, help="System of units.")
@json_option
def show(place: str | None, units: str, as_json: bool) -> None:
    """Show the newest stored weather: of all locations, or everything that is known of one."""
    from ..model import clock
    from ..reading import rows

    with open_session(read_only=True) as session:
        if place is None:
            found, zone = rows.read_latest_rows(session), None
        else:
            found, zone = _rows_of(session, place)
    now, chosen = clock.now(), Units(cast(System, units))
    if as_json:
        print_json([_object(row, chosen) for row in found])
    elif place is None:
        print_table(_COLUMNS, [_cells(row, chosen, now) for row in found]) if found else click.echo("no weather yet")
    elif found:
        _print_one(found[0], chosen, zone, now)
    else:
        click.echo(f"{place}: no weather yet")


def _rows_of(session: Any, place: str) -> tuple[list[WeatherRow], str | None]:
    """The newest row of a location, and the location's time zone."""
    from ..locations.repository import get_location
    from ..model import clock
    from ..quality.row_checks import MAX_CLOCK_LEAD
    from ..reading import rows

    zone = get_location(session, place).timezone
    return rows.read_rows(session, location=place, end=clock.now() + MAX_CLOCK_LEAD, limit=1)[0], zone


def _object(row: WeatherRow, units: Units) -> dict[str, Any]:
    """The row as in ``/data``, with its values in these units, and the units."""
    from ..reading.columns import FIELDS

    values: dict[str, Any] = {}
    for name in FIELDS:
        value = getattr(row, name)
        convert = units.converter(name)
        if isinstance(value, datetime):
            value = value.isoformat()
        values[name] = value if value is None or convert is None else convert(value)
    return {**values, "units": units.units_of(name for name in FIELDS if values[name] is not None)}


def _cells(row: WeatherRow, units: Units, now: datetime) -> tuple[str, ...]:
    names = ("temperature", "humidity", "wind_speed", "precipitation")
    texts = {name: _value_text(row, name, units) for name in names}
    return (
        row.location,
        age_text(row.observed_at or row.due_at, now).removesuffix(" ago"),
        texts["temperature"],
        texts["humidity"],
        texts["wind_speed"],
        "" if row.wind_direction is None else _POINTS[round(row.wind_direction / 45) % 8],
        texts["precipitation"],
        row.condition or "",
    )


def _value_text(row: WeatherRow, name: str, units: Units) -> str:
    """A value with its unit; an exclamation mark if it is suspect. Empty without a value."""
    value = getattr(row, name)
    if value is None:
        return ""
    convert, unit = units.converter(name), units.unit_of(name)
    decimals = (_AMOUNT_DECIMALS if name.startswith(("precipitation", "snowfall")) else {}).get(unit, _DECIMALS.get(unit, 0))
    number = f"{round(convert(value) if convert else value, decimals) + 0.0:.{decimals}f}"
    return f"{number} {unit.removeprefix('1')}".rstrip() + (" (!)" if is_suspect(row.flags_of(name)) else "")


def _print_one(row: WeatherRow, units: Units, zone: str | None, now: datetime) -> None:
    from ..reading.rows import UNITS

    at = row.observed_at or row.due_at
    shown = at.astimezone(ZoneInfo(zone)) if zone else at
    click.echo(f"{row.location}, {shown:%Y-%m-%d %H:%M} {zone or 'UTC'} ({age_text(at, now)}), by {row.provider}")
    cells = [("weather", row.condition or "", "")]
    for name in UNITS:
        if name != "precipitation_period" and (text := _value_text(row, name, units)):
            cells.append((name.replace("_", " "), text, _notes(row, name)))
    print_table((Column(), Column(), Column(wraps=True)), [cell for cell in cells if cell[1]])


def _notes(row: WeatherRow, name: str) -> str:
    """What must be known to read a value: its period, its flags, and another provider that it comes from."""
    notes = []
    if name == "precipitation":
        period = row.precipitation_period
        notes.append("of an unknown period" if period is None else f"in {period / 60:.0f} min")
    notes += row.flags_of(name)
    if row.provider_of(name) != row.provider:
        notes.append(f"by {row.provider_of(name)}")
    return ", ".join(notes)

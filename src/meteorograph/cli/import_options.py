"""The options of ``meteorograph import`` and what their values mean."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from datetime import UTC, datetime, time, tzinfo
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from ..model.imports import IMPORT_NAME, IMPORT_PREFIX
from .options import Decorator

if TYPE_CHECKING:
    from ..importing.home_assistant import StatisticMapping
    from ..importing.mapping import CSVLayout
    from ..importing.script_database import PlacePeriod, ScriptOptions
    from ..model.schedule import Schedule

#: The formats of ``ImportFormat``, whose module is imported later.
FORMATS: Final = ("csv", "export", "weewx", "home-assistant", "meteostat", "script")


def csv_options() -> Decorator:
    """The options that say how a CSV file is to be read."""
    options = (
        click.option("--column", "columns", multiple=True, metavar="COLUMN=QUANTITY:UNIT", help="What a column is; repeatable."),
        click.option(
            "--time", "time_columns", multiple=True, metavar="COLUMN", help="Column of the time; date and time may be two."
        ),
        click.option("--time-format", metavar="FORMAT", help="strptime format, unix or unix-ms [ISO 8601]."),
        click.option("--zone", metavar="ZONE", help="Zone of times without an offset: Europe/Athens, UTC or +02:00."),
        click.option("--label", type=click.Choice(["start", "end"]), help="Whether a time starts or ends its window [end]."),
        click.option("--day-start", metavar="HH:MM", help="Local time at which the day of a date starts."),
        click.option("--location-column", metavar="COLUMN", help="Column with the names of the locations."),
        click.option("--separator", metavar="CHARACTER", help="Separator of the columns [by the first line]."),
        click.option("--decimal-comma", is_flag=True, help="Numbers have a decimal comma."),
        click.option("--encoding", default="utf-8", show_default=True, help="Encoding of the file."),
    )

    def add_options(command: Any) -> Any:
        for option in reversed(options):
            command = option(command)
        return command

    return add_options


def source_options() -> Decorator:
    """The options of the other formats."""
    options = (
        click.option("--format", "format", type=click.Choice(FORMATS), help="What FILE is [by its content]."),
        click.option(
            "--statistic", "statistics", multiple=True, metavar="ID=QUANTITY", help="Home Assistant: what a statistic is."
        ),
        click.option("--with-model", is_flag=True, help="Meteostat: also modelled values, with the flag modelled."),
        click.option(
            "--place",
            "places",
            multiple=True,
            metavar="TIME=NAME",
            help="Script: since when which location was collected; repeatable.",
        ),
        click.option("--grid", default="1h", show_default=True, metavar="DURATION", help="Script: distance of its slots."),
        click.option(
            "--keys",
            type=click.Path(dir_okay=False, path_type=Path),
            metavar="CSV",
            help="Script: write here which slot each old id has become.",
        ),
    )

    def add_options(command: Any) -> Any:
        for option in reversed(options):
            command = option(command)
        return command

    return add_options


def parse_script(options: dict[str, Any], zone: tzinfo | None, location: str | None) -> ScriptOptions:
    """How the database of the script is to be read.

    Raises:
        click.UsageError: A value is wrong.
    """
    from ..importing.script_database import PlacePeriod, ScriptOptions

    places = [_parse("place", text, _parse_place) for text in options["places"]]
    if location is not None:
        places.append(PlacePeriod(datetime.min.replace(tzinfo=UTC), location))
    return ScriptOptions(
        places=sorted(places, key=lambda place: place.since), grid=_parse("grid", options["grid"], _parse_grid), zone=zone
    )


def _parse_place(text: str) -> PlacePeriod:
    from ..importing.script_database import PlacePeriod
    from ..model import clock, time_range

    moment, _, name = text.partition("=")
    if not moment or not name:
        raise ValueError("must be TIME=NAME, such as 2024-05-01=Patras")
    return PlacePeriod(time_range.parse_instant(moment, clock.now()), name)


def _parse_grid(text: str) -> Schedule:
    from ..model.schedule import Interval, parse_schedule

    schedule = parse_schedule(text)
    if not isinstance(schedule, Interval):
        raise ValueError("must be an interval such as 1h or 30m")
    return schedule


def parse_statistics(texts: Sequence[str]) -> list[StatisticMapping]:
    """The statistics of Home Assistant.

    Raises:
        click.UsageError: A text is no mapping.
    """
    from ..importing.home_assistant import parse_statistic

    return [_parse("statistic", text, parse_statistic) for text in texts]


def parse_layout(options: dict[str, Any]) -> CSVLayout:
    """How a CSV file is to be read, from the options of ``csv_options``.

    Raises:
        click.UsageError: A value is wrong.
    """
    from ..importing.local_times import parse_zone
    from ..importing.mapping import CSVLayout, check_layout, parse_column

    zone, day_start = options["zone"], options["day_start"]
    separator = {"tab": "\t", "\\t": "\t"}.get(options["separator"], options["separator"])
    if separator is not None and len(separator) != 1:
        raise click.UsageError(f"--separator {separator}: must be one character, or tab")
    try:
        io.TextIOWrapper(io.BytesIO(), encoding=options["encoding"])  # unlike codecs.lookup(), it refuses codecs of no text
    except LookupError:
        raise click.UsageError(f"--encoding {options['encoding']}: must be the name of an encoding, such as cp1252") from None
    layout = CSVLayout(
        time_columns=options["time_columns"],
        columns=[_parse("column", text, parse_column) for text in options["columns"]],
        location_column=options["location_column"],
        time_format=options["time_format"],
        zone=None if zone is None else _parse("zone", zone, parse_zone),
        label=options["label"],
        day_start=None if day_start is None else _parse("day-start", day_start, _parse_clock),
        separator=separator,
        has_decimal_comma=options["decimal_comma"],
        encoding=options["encoding"],
    )
    try:
        check_layout(layout)
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    return layout


def check_format(format: str, layout: CSVLayout, location: str | None, script: ScriptOptions) -> None:
    """Check that the options say all that a format needs.

    Raises:
        click.UsageError: An option is missing, or of no use.
    """
    if format != "csv" and layout.columns:
        raise click.UsageError(f"--column is for CSV files; FILE is {format}, whose columns are known")
    match format:
        case "csv":
            _check_csv(layout, location)
        case "export":
            if location is not None:
                raise click.UsageError("--location is of no use: each row of an export names its location")
        case "script":
            if not script.places:
                raise click.UsageError("--location or --place is missing: it says which location the rows are of")
        case _:
            if location is None:
                raise click.UsageError("--location is missing: it names the location of the rows")


def _check_csv(layout: CSVLayout, location: str | None) -> None:
    if not layout.time_columns:
        raise click.UsageError("--time is missing: it names the column with the time")
    if not layout.columns:
        raise click.UsageError("--column is missing: it says what a column is, such as --column temp=temperature:C")
    if (location is None) == (layout.location_column is None):
        raise click.UsageError("either --location must name the location of all rows, or --location-column the column with it")


def provider_name(name: str | None, format: str) -> str:
    """The provider of imported rows; that of Meteostat begins with its name, by which exports state its licence.

    Raises:
        click.UsageError: The name is not allowed.
    """
    name = format if name is None else name
    if format == "meteostat" and not name.startswith(format):
        raise click.UsageError(f"--name {name}: must begin with meteostat, so that exports state its licence")
    if not re.fullmatch(IMPORT_NAME, name):
        raise click.UsageError(f"--name {name}: must be up to 40 small letters, digits, '-', '_' and '.'")
    return f"{IMPORT_PREFIX}{name}"


def _parse_clock(text: str) -> time:
    try:
        return time.fromisoformat(text)
    except ValueError:
        raise ValueError("must be a time of the day such as 07:00") from None


def _parse(option: str, text: str, parse: Any) -> Any:
    try:
        return parse(text)
    except ValueError as error:
        raise click.UsageError(f"--{option} {text}: {error}") from None

"""The options of ``meteorograph import`` and what their values mean."""

from __future__ import annotations

import codecs
import re
from datetime import time
from typing import TYPE_CHECKING, Any, Final

import click

from .options import Decorator

if TYPE_CHECKING:
    from ..importing.mapping import CSVLayout

#: Longest name of a source: with its prefix it must fit into the column of the provider.
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9_.-]{0,39}")


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
        codecs.lookup(options["encoding"])
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


def require_csv(layout: CSVLayout, location: str | None) -> None:
    """Check that the options say all that a CSV file needs.

    Raises:
        click.UsageError: An option is missing.
    """
    if not layout.time_columns:
        raise click.UsageError("--time is missing: it names the column with the time")
    if not layout.columns:
        raise click.UsageError("--column is missing: it says what a column is, such as --column temp=temperature:C")
    if (location is None) == (layout.location_column is None):
        raise click.UsageError("either --location must name the location of all rows, or --location-column the column with it")


def provider_name(name: str) -> str:
    """The provider of imported rows.

    Raises:
        click.UsageError: The name is not allowed.
    """
    if not _NAME.fullmatch(name):
        raise click.UsageError(f"--name {name}: must be up to 40 small letters, digits, '-', '_' and '.'")
    return f"import:{name}"


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

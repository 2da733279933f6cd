"""Options that several commands have, and what their values mean."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

import click

Decorator = Callable[[Callable[..., None]], Callable[..., None]]

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON instead of text.")
background_option = click.option(
    "--background", "in_background", is_flag=True, help="Let a process of the service do it; see meteorograph tasks."
)
location_option = click.option("--location", help="Only the location of this name.")


def range_options(default_start: str, default_end: str = "now") -> Decorator:
    """The options ``--start`` and ``--end``, with the words for their defaults."""
    start_help = (
        "First instant: an ISO 8601 time, UTC unless it has an offset or a zone as in '2026-03-01T00:00 Europe/Athens', "
        f"or a duration back from now such as 7d [{default_start}]."
    )

    def add_options(command: Callable[..., None]) -> Callable[..., None]:
        command = click.option("--end", metavar="TIME", help=f"End, exclusive; same forms as --start [{default_end}].")(command)
        return click.option("--start", metavar="TIME", help=start_help)(command)

    return add_options


def parse_moment(name: str, text: str | None, now: datetime) -> datetime | None:
    """The instant (aware UTC) that an option names; None if it was not given.

    Raises:
        click.UsageError: The text is no time.
    """
    from ..model import time_range

    try:
        return None if text is None else time_range.parse_instant(text, now)
    except ValueError as error:
        raise click.UsageError(f"--{name} {text}: {error}") from None


def parse_period(start: str | None, end: str | None, length: timedelta) -> tuple[datetime, datetime]:
    """The instants (aware UTC) of ``--start`` and ``--end``; without ``--start``, ``length`` before the end.

    Raises:
        click.UsageError: A text is no time, or the start is not before the end.
    """
    from ..model import clock, time_range

    now = clock.now()
    try:
        return time_range.resolve_range(parse_moment("start", start, now), parse_moment("end", end, now), now, length)
    except ValueError as error:
        raise click.UsageError(f"--start {start}: {error}") from None

"""Choose a place by its name: found by the geocoder, and chosen by the user where several have the name."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Final

import click

from ..errors import ConfigurationError
from .output import Column, print_table

if TYPE_CHECKING:
    from ..config.settings import Settings
    from ..model.values import NamedPlace

_COLUMNS: Final = (
    Column("#", is_number=True),
    Column("name", wraps=True),
    Column("region", wraps=True),
    Column("country", wraps=True),
    *(Column(title, is_number=True) for title in ("latitude", "longitude", "population")),
    Column("timezone"),
)

choose_option = click.option(
    "--choose", type=click.IntRange(min=1), metavar="N", help="The N-th of the places that have the name."
)


def choose_place(settings: Settings, name: str, number: int | None) -> NamedPlace:
    """The place of a name: the only one, the ``number``-th, or the one that the user chooses at a terminal.

    Raises:
        ConfigurationError: No place, or several ones without a choice.
        FetchError, PayloadError: The geocoder cannot be asked.
    """
    from ..collecting.geocoding import find_places

    places = find_places(settings, name)
    if not places:
        raise ConfigurationError(f"no place is called {name!r}: give --lat and --lon")
    if number is None and len(places) > 1:
        print_table(_COLUMNS, [_cells(index, place) for index, place in enumerate(places, 1)])
        if not (sys.stdin.isatty() and sys.stdout.isatty()):
            raise ConfigurationError(f"{len(places)} places are called {name!r}: choose one with --choose N")
        number = click.prompt("Number", type=click.IntRange(1, len(places)))
    number = number or 1
    if number > len(places):
        raise ConfigurationError(f"--choose {number}: only {len(places)} places are called {name!r}")
    return places[number - 1]


def place_text(place: NamedPlace) -> str:
    """The place in a line: its name, region and country."""
    return ", ".join(part for part in (place.name, place.region, place.country) if part)


def _cells(number: int, place: NamedPlace) -> tuple[str, ...]:
    point = place.coordinates
    return (
        str(number),
        place.name,
        place.region or "",
        place.country or "",
        f"{point.latitude:.4f}",
        f"{point.longitude:.4f}",
        "" if place.population is None else f"{place.population:,}",
        place.timezone or "",
    )

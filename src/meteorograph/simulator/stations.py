"""Stations of the keyless services: one at every half degree of the land, with an identifier made of its place."""

from __future__ import annotations

from .geography import Spot
from .weather import Source

#: Distance of neighbours [degree], and stations of a circle of latitude.
STEP = 0.5
_COLUMNS = round(360 / STEP)
_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
#: Most stations of an answer.
MAX_STATIONS = 400


def identifier_at(latitude: float, longitude: float) -> str:
    """The four letters of the station nearest to a point."""
    row = min(round((latitude + 90) / STEP), round(180 / STEP))
    number = row * _COLUMNS + round((longitude + 180) / STEP) % _COLUMNS
    letters = ""
    for _ in range(4):
        number, letter = divmod(number, len(_LETTERS))
        letters = _LETTERS[letter] + letters
    return letters


def place_of(identifier: str) -> tuple[float, float] | None:
    """Latitude and longitude of a station; None for an identifier that no station has."""
    number = 0
    for letter in identifier:
        number = number * len(_LETTERS) + _LETTERS.find(letter)
    if len(identifier) != 4 or any(letter not in _LETTERS for letter in identifier):
        return None
    row, column = divmod(number, _COLUMNS)
    latitude = row * STEP - 90
    return (latitude, column * STEP - 180) if latitude <= 90 else None


def find(source: Source, identifier: str) -> Spot | None:
    """The station with an identifier; None if there is none, as at sea."""
    place = place_of(identifier)
    spot = source.find(*place) if place else None
    return spot if spot and spot.code else None


def within(source: Source, south: float, west: float, north: float, east: float) -> list[str]:
    """Identifiers of the stations in a box."""
    rows, columns = _steps(south, north), _steps(west, east)
    places = ((row * STEP, column * STEP) for row in rows for column in columns)
    spots = ((place, source.find(*place)) for place in places if -90 <= place[0] <= 90 and -180 <= place[1] < 180)
    return [identifier_at(*place) for place, spot in spots if spot and spot.code][:MAX_STATIONS]


def _steps(low: float, high: float) -> range:
    first = -int(-low // STEP) if low % STEP else int(low // STEP)
    return range(first, int(high // STEP) + 1)

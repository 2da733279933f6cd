"""Open-Meteo's geocoder: the places that have a name, from the GeoNames gazetteer. Pure.

Contract: https://open-meteo.com/en/docs/geocoding-api
"""

from __future__ import annotations

from typing import Final

import msgspec

from ...errors import PayloadError
from ...model.values import Coordinates, NamedPlace, Payload, Request
from ..base import UNREADABLE, unreadable
from ..lenient import LenientDecoder
from .bodies import refusal
from .common import NAME

BASE_URL: Final = "https://geocoding-api.open-meteo.com"
#: Places of an answer at most.
MAX_PLACES: Final = 10


class _Place(msgspec.Struct, gc=False):
    name: str | None = None
    latitude: float | None = None
    longitude: float | None = None
    elevation: float | None = None
    timezone: str | None = None
    admin1: str | None = None
    country: str | None = None
    population: float | None = None


class _Body(msgspec.Struct, gc=False):
    #: Missing where no place has the name.
    results: list[_Place | None] | None = None
    error: bool | None = None


_decoder = LenientDecoder(_Body)


def request(base_url: str, name: str) -> Request:
    """The request for the places that have a name."""
    params = {"name": name, "count": str(MAX_PLACES), "language": "en", "format": "json"}
    return Request(NAME, f"{base_url}/v1/search", params)


def parse(payload: Payload) -> list[NamedPlace]:
    """The places of an answer, the largest first; those without a name or coordinates are left out.

    Raises:
        FetchError: A refusal.
        PayloadError: Not a body of the geocoder.
    """
    if payload.status != 200:
        raise refusal(payload, None)
    try:
        body, _ = _decoder.decode(payload)
    except UNREADABLE as error:
        raise unreadable(NAME, payload, error) from None
    if body.error:
        raise PayloadError(NAME, "an error with the status of a success", payload.body)
    places = [named for place in body.results or () if place is not None and (named := _named_place(place)) is not None]
    return sorted(places, key=lambda place: -(place.population or 0))


def _named_place(place: _Place) -> NamedPlace | None:
    name, latitude, longitude = place.name, place.latitude, place.longitude
    if not name or latitude is None or longitude is None or not (-90 <= latitude <= 90 and -180 <= longitude <= 180):
        return None
    population = None if place.population is None else int(place.population)
    point = Coordinates(latitude, longitude)
    return NamedPlace(name, point, place.elevation, place.timezone, place.admin1, place.country, population)

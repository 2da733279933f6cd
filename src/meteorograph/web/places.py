"""``/api/places``: the places that have a name, by Open-Meteo's geocoder."""

from __future__ import annotations

from typing import Any, Final

from flask import Blueprint, g, request

from ..collecting.geocoding import find_places
from ..config.loading import get_settings
from ..errors import BadInputError
from ..model.states import TokenScope
from ..model.values import NamedPlace
from . import params
from .access import needs_scope

blueprint = Blueprint("places", __name__)

#: Shortest and longest name that the geocoder is asked for.
_LENGTHS: Final = range(2, 101)


@blueprint.get("/api/places")
@needs_scope(TokenScope.ADMIN)
def search() -> dict[str, Any]:
    """The places that have a name, the largest first. Each search is a request to the geocoder."""
    params.refuse_unknown(("name",))
    name = request.args.get("name", "").strip()
    if len(name) not in _LENGTHS or not name.isprintable():
        raise BadInputError("name", name, "must be a name of 2 to 100 characters")
    return {"places": [_place_object(place) for place in find_places(get_settings(), name)], "request_id": g.request_id}


def _place_object(place: NamedPlace) -> dict[str, Any]:
    return {
        "name": place.name,
        "region": place.region,
        "country": place.country,
        "latitude": place.coordinates.latitude,
        "longitude": place.coordinates.longitude,
        "elevation": place.elevation,
        "timezone": place.timezone,
        "population": place.population,
    }

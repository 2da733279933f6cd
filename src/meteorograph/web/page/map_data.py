"""``/map.json``: the places of a part of the map, or their number by cell, with their values in the units of the reader."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from typing import Any, Final

from flask import Blueprint, Response, request

from ...errors import BadInputError
from ...i18n import CODES
from ...model import clock
from ...providers.registry import PROVIDERS
from ...reading.map_places import FRESHNESS, Box, MapCell, MapContent, MapPlace, MapQuery, read_map
from ...storage.engine import get_db_session
from .. import answers, params
from ..health_report import read_report
from . import map_colours
from .display import Display
from .map_colours import CHOICES, COUNT, NO_VALUE, SCALES, SUSPECT
from .map_view import read_quantity, read_zoom
from .overview import search_text
from .preferences import read_preferences

blueprint = Blueprint("map", __name__)

_EDGES: Final = re.compile(r"-?\d+(\.\d*)?(,-?\d+(\.\d*)?){3}", re.ASCII)
_ALLOWED: Final = (
    "must be west,south,east,north in degrees: -180 to 180 and -90 to 90, south not above north;"
    " west is larger than east across the antimeridian"
)
_WORLD: Final = Box(-180.0, -90.0, 180.0, 90.0)
_DEFAULT_ZOOM: Final = 2


@blueprint.get("/map.json")
def map_data() -> Response:
    """What a part of the map of the overview shows."""
    params.refuse_unknown(("bbox", "count_bbox", "zoom", "quantity", "q", "show", "units", "lang"))
    quantity, zoom = read_quantity(), read_zoom()
    only_late = params.word("show", ("all", "stale")) == "stale"
    size = _DEFAULT_ZOOM if zoom is None else int(zoom)
    query = MapQuery(_box("bbox") or _WORLD, size, quantity, search_text(), only_late, _box("count_bbox"))
    # Data are English, whatever the browser prefers: the script of the map asks for the language of its page.
    preferences = replace(read_preferences(), lang=params.word("lang", tuple(CODES)) or "en")
    display, now, report = Display(preferences), clock.now(), read_report(may_be_recent=True)
    with get_db_session(read_only=True) as session:
        new = {name for name, age in report.freshness.items() if age is None}
        content = read_map(session, query, report.stale, new, now)
    return answers.json(
        {
            "quantity": quantity,
            "title": display.language.say(CHOICES[quantity]),
            "unit": map_colours.unit(quantity, display),
            "count": content.count,
            "has_values": content.has_values or quantity == FRESHNESS,
            "places": [_place(place, quantity, display) for place in content.places],
            "cells": [_cell(cell, quantity, display) for cell in content.cells],
            "credits": _credits(content),
            "seen_at": report.seen_at.isoformat() if report.seen_at else None,
        }
    )


def _box(name: str) -> Box | None:
    """A part of the earth, its edges included: west, south, east and north [degrees]. It may be a line or a point."""
    text = request.args.get(name)
    if text is None:
        return None
    edges = [float(one) for one in text.split(",")] if _EDGES.fullmatch(text) else [math.nan] * 4
    west, south, east, north = edges
    if not (-180 <= west <= 180 and -180 <= east <= 180 and -90 <= south <= north <= 90):
        raise BadInputError(name, text, _ALLOWED)
    return Box(west, south, east, north)


def _place(place: MapPlace, quantity: str, display: Display) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "name": place.name,
        "latitude": place.latitude,
        "longitude": place.longitude,
        "state": place.state,
        "colour": place.state if quantity == FRESHNESS else _colour(place, quantity),
    }
    if place.reading is not None:
        text = _value(quantity, place.reading.value, display)
        at = place.reading.observed_at
        shown |= {"value": text, "is_suspect": place.reading.is_suspect, "observed_at": at.isoformat() if at else None}
    return shown


def _colour(place: MapPlace, quantity: str) -> str:
    if place.reading is not None and place.reading.is_suspect:
        return SUSPECT.colour
    if place.state != "fresh":
        return place.state
    value = place.current_value
    return NO_VALUE.colour if value is None else SCALES[quantity].colour(value)


def _value(quantity: str, value: float | None, display: Display) -> str | None:
    return None if value is None else display.value(SCALES[quantity].quantity, value)


def _cell(cell: MapCell, quantity: str, display: Display) -> dict[str, Any]:
    latitude, longitude = cell.middle
    mean = cell.mean
    return {
        "latitude": latitude,
        "longitude": longitude,
        "bounds": list(cell.box),
        "count": cell.count,
        "stale": cell.stale,
        "mean": _value(quantity, mean, display),
        "colour": _colour_of_cell(cell, quantity) if mean is None else SCALES[quantity].colour(mean),
    }


def _colour_of_cell(cell: MapCell, quantity: str) -> str:
    if quantity != FRESHNESS:
        return COUNT.colour
    return "stale" if cell.stale * 2 > cell.count else "fresh"


def _credits(content: MapContent) -> list[str]:
    names = {name for place in content.places if place.reading for name in place.reading.providers}
    return [PROVIDERS[name].attribution for name in sorted(names) if name in PROVIDERS]

"""The map of the overview: what its address says, and what its template needs."""

from __future__ import annotations

import re
from typing import Any, Final
from urllib.parse import urlsplit

from flask import request

from ...config.settings import Settings
from ...errors import BadInputError
from .. import params
from ..content_policy import content_policy
from .display import Display
from .map_colours import CHOICES, legend, unit
from .script import leaflet

#: Largest zoom of a map of tiles, and of the outline, which has no more detail than this shows.
MAX_ZOOM: Final = 19
_MAX_OUTLINE_ZOOM: Final = 9

_ZOOM: Final = re.compile(r"\d{1,2}(?:\.\d{1,2})?")
_CENTRE: Final = re.compile(r"(-?\d{1,2}(?:\.\d{1,6})?),(-?\d{1,3}(?:\.\d{1,6})?)")


def read_quantity() -> str:
    """The parameter ``quantity``: what places are coloured by."""
    return params.word("quantity", tuple(CHOICES)) or next(iter(CHOICES))


def read_zoom() -> float | None:
    """The parameter ``zoom``; None without it."""
    text = request.args.get("zoom")
    if text is None:
        return None
    if not (text.isascii() and _ZOOM.fullmatch(text) and float(text) <= MAX_ZOOM):
        raise BadInputError("zoom", text, f"must be a number from 0 to {MAX_ZOOM}, with up to two decimals")
    return float(text)


def check_map_view() -> None:
    """Refuse invalid parameters of the map, which the list keeps in its links. Only the script uses ``centre``."""
    read_quantity()
    read_zoom()
    text = request.args.get("centre")
    if text is None:
        return
    found = _CENTRE.fullmatch(text)
    if not (found and text.isascii() and abs(float(found[1])) <= 90 and abs(float(found[2])) <= 180):
        raise BadInputError("centre", text, "must be latitude,longitude in degrees, with up to six decimals")


def map_context(settings: Settings, display: Display) -> dict[str, Any]:
    """What the template of the map needs."""
    quantity = read_quantity()
    return {
        "quantity": quantity,
        "choices": CHOICES,
        "legend": legend(quantity, display),
        "unit": unit(quantity, display),
        "leaflet": {kind: leaflet(kind).digest for kind in ("js", "css")},
        "tiles": settings.map_tiles,
        "tiles_attribution": settings.map_attribution,
        "max_zoom": MAX_ZOOM if settings.map_tiles else _MAX_OUTLINE_ZOOM,
    }


def map_policy(settings: Settings) -> str:
    """The Content-Security-Policy of the map: it may load images from the user's tile server."""
    return content_policy(_origin(settings.map_tiles) if settings.map_tiles else None)


def _origin(address: str) -> str:
    parts = urlsplit(address)
    return f"{parts.scheme}://{parts.netloc}"

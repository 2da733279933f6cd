"""Open-Meteo's geocoder with a few places. Contract: https://open-meteo.com/en/docs/geocoding-api"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

PATH: Final = "/v1/search"

_FIELDS: Final = ("name", "latitude", "longitude", "elevation", "timezone", "admin1", "country", "population")
_PLACES: Final = (
    ("Athens", 33.96095, -83.37794, 195.0, "America/New_York", "Georgia", "United States", 116714),
    ("Athens", 37.98376, 23.72784, 42.0, "Europe/Athens", "Attica", "Greece", 664046),
    ("Athens", 39.32924, -82.10126, 219.0, "America/New_York", "Ohio", "United States", 25214),
    ("Berlin", 52.52437, 13.41053, 74.0, "Europe/Berlin", "State of Berlin", "Germany", 3426354),
    ("London", 51.50853, -0.12574, 25.0, "Europe/London", "England", "United Kingdom", 8961989),
    ("London", 42.98339, -81.23304, 252.0, "America/Toronto", "Ontario", "Canada", 422324),
    ("Paris", 48.85341, 2.3488, 42.0, "Europe/Paris", "\u00cele-de-France", "France", 2138551),
    ("Reykjavik", 64.13548, -21.89541, 37.0, "Atlantic/Reykjavik", "Capital Region", "Iceland", 118918),
)


def answer(query: Mapping[str, str]) -> tuple[int, dict[str, Any]]:
    """Status and body for a search."""
    name = query.get("name", "").strip()
    if not name:
        return 400, {"error": True, "reason": "Parameter 'name' is required"}
    found = [dict(zip(_FIELDS, place, strict=True)) for place in _PLACES if place[0].casefold() == name.casefold()]
    body: dict[str, Any] = {"generationtime_ms": 0.1}
    return 200, {"results": found, **body} if found else body

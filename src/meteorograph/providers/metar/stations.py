"""Stations of METAR: the reporting aerodromes around a point."""

from __future__ import annotations

import math
import re
from typing import Final

from ...errors import PermanentFetchError
from ...model.values import AnsweredPlace, Coordinates, Payload, Request, Station
from ..base import degrees, place_at
from .reports import NAME, Report, make_request, read_reports

#: Stations further away than this have other weather [km].
FARTHEST_KM: Final = 100.0
_HALF_HEIGHT: Final = 0.9  # [degree of latitude], about 100 km

_IDENTIFIER: Final = re.compile(r"[A-Z0-9]{3,5}")


def request_stations(base_url: str, point: Coordinates) -> Request:
    """The request for the reports of all stations around a point."""
    south, north = max(-90.0, point.latitude - _HALF_HEIGHT), min(90.0, point.latitude + _HALF_HEIGHT)
    half = _half_width(point.latitude)
    west, east = max(-180.0, point.longitude - half), min(180.0, point.longitude + half)
    return make_request(base_url, {"bbox": ",".join(map(degrees, (south, west, north, east)))})


def _half_width(latitude: float) -> float:
    """Degrees of longitude in about 100 km; at most 180, at the poles."""
    return min(180.0, _HALF_HEIGHT / max(1e-9, math.cos(math.radians(latitude))))


def _centre(bbox: str) -> Coordinates:
    """The centre of the box before it was cut at a pole or at the date line; computed from a side that was not cut."""
    south, west, north, east = map(float, bbox.split(","))
    latitude = north - _HALF_HEIGHT if north < 90 else south + _HALF_HEIGHT
    half = _half_width(latitude)
    return Coordinates(latitude, east - half if east < 180 else west + half if west > -180 else 0.0)


def parse_stations(payload: Payload) -> list[Station]:
    """The reporting stations around the point, nearest first.

    Raises:
        PermanentFetchError: No station within ``FARTHEST_KM``.
        FetchError, PayloadError: As ``reports.parse``.
    """
    centre = _centre(payload.request.params["bbox"])
    stations: dict[str, tuple[float, Station]] = {}
    for report, _ in read_reports(payload):
        place = place_at(report.lat, report.lon, report.name)
        if place and (identifier := _identifier(report)) and (distance := place.coordinates.distance_km(centre)) <= FARTHEST_KM:
            stations[identifier] = distance, Station(identifier, AnsweredPlace(place.coordinates, place.name))
    if not stations:
        raise PermanentFetchError(NAME, f"no reporting aerodrome within {FARTHEST_KM:g} km", status=payload.status)
    return [station for _, station in sorted(stations.values(), key=lambda one: (one[0], one[1].id))]


def _identifier(report: Report) -> str | None:
    """The identifier of a report's station; None if it could be anything else in a list of identifiers."""
    return report.icaoId if _IDENTIFIER.fullmatch(report.icaoId) else None

"""Stations of the National Weather Service: from a point to the stations around it, nearest first."""

from __future__ import annotations

import re
from typing import Final

import msgspec

from ...errors import PermanentFetchError
from ...model.values import Coordinates, Payload, Request, Station
from ..base import degrees, place_of, unreadable
from ..lenient import LenientDecoder
from .common import NAME, Geometry, decode_body, make_request

_STATIONS: Final = re.compile(r"https?://[^/]+(/gridpoints/[A-Z]{3}/[0-9]{1,4},[0-9]{1,4}/stations)")
_IDENTIFIER: Final = re.compile(r"[A-Z0-9]{3,12}")


class _PointLinks(msgspec.Struct, gc=False):
    observationStations: str


class _PointBody(msgspec.Struct, gc=False):
    properties: _PointLinks


class _StationName(msgspec.Struct, gc=False):
    stationIdentifier: str
    name: str | None = None


class _Feature(msgspec.Struct, gc=False):
    properties: _StationName
    geometry: Geometry | None = None


class _Features(msgspec.Struct, gc=False):
    #: An odd feature is None.
    features: list[_Feature | None]


_point = LenientDecoder(_PointBody)
_features = LenientDecoder(_Features)


def request_stations(base_url: str, point: Coordinates) -> Request:
    """The request for the links of a point."""
    return make_request(f"{base_url.rstrip('/')}/points/{degrees(point.latitude)},{degrees(point.longitude)}")


def parse_stations(payload: Payload) -> list[Station] | Request:
    """The request for the stations around the point; then these stations, nearest first, as the provider orders them.

    Raises:
        PermanentFetchError: No station for the point; 404 outside of the United States.
    """
    base_url, points, _ = payload.request.url.partition("/points/")
    if points:
        # Only the path is taken from the body; the host is that of the settings.
        body, _ = decode_body(_point, payload)
        match = _STATIONS.fullmatch(body.properties.observationStations)
        if match is None:
            raise unreadable(NAME, payload, ValueError("no link to stations"))
        return make_request(base_url + match[1])
    features, _ = decode_body(_features, payload)
    stations = {station.id: station for feature in features.features if feature and (station := _station(feature))}
    if not stations:
        raise PermanentFetchError(NAME, "no station for this point", status=payload.status)
    return list(stations.values())


def _station(feature: _Feature) -> Station | None:
    """The station of a feature; None without a place or with an identifier that could be a path."""
    identifier = feature.properties.stationIdentifier
    place = place_of(feature.geometry.coordinates if feature.geometry else None, feature.properties.name)
    return Station(identifier, place) if place and _IDENTIFIER.fullmatch(identifier) else None

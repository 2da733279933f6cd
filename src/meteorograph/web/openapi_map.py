"""The objects of ``/map.json``, for the OpenAPI document."""

from __future__ import annotations

from msgspec import UNSET, Struct, UnsetType

from .openapi_types import Instant


class MapPlaceObject(Struct):
    """A place on the map."""

    name: str
    latitude: float
    longitude: float
    #: ``fresh``, ``stale``, ``new`` (without values), ``paused`` or ``unscheduled``.
    state: str
    colour: str
    #: The newest value in the unit of the answer; null if the row does not give it. Left out without a row.
    value: str | UnsetType | None = UNSET
    is_suspect: bool | UnsetType = UNSET
    observed_at: Instant | UnsetType | None = UNSET


class MapCellObject(Struct):
    """The places of a cell, where there are too many to give each."""

    #: Mean position of the places.
    latitude: float
    longitude: float
    #: West, south, east and north [degrees].
    bounds: list[float]
    count: int
    stale: int
    mean: str | None
    colour: str

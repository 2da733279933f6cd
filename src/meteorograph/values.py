"""Names of ``meteorograph.model.values`` for provider plug-ins; ``Place`` and ``Point`` are old names."""

from __future__ import annotations

from .model.values import AnsweredPlace, Coordinates, Observation, Payload, Request, RequestPoint, Station

Place = AnsweredPlace
Point = RequestPoint

__all__ = [
    "AnsweredPlace",
    "Coordinates",
    "Observation",
    "Payload",
    "Place",
    "Point",
    "Request",
    "RequestPoint",
    "Station",
]

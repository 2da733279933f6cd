"""Locations as a table of text."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from ..model.values import FAR_OFF_KM

if TYPE_CHECKING:
    from ..locations.views import LocationView, ResolvedPlace

_HEADERS = ("name", "latitude", "longitude", "state", "schedule", "timezone", "tags", "last", "answered for")


def table(locations: Sequence[LocationView], now: datetime) -> list[str]:
    """The lines of a table; columns that are empty throughout are left out."""
    rows = [_HEADERS, *(_cells(location, now) for location in locations)]
    columns = [column for column in zip(*rows, strict=True) if any(column[1:])]
    widths = [max(map(len, column)) for column in columns]
    cells = zip(*columns, strict=True)
    return ["  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip() for row in cells]


def _cells(location: LocationView, now: datetime) -> tuple[str, ...]:
    return (
        location.name,
        f"{location.latitude:.4f}",
        f"{location.longitude:.4f}",
        location.state,
        location.schedule or "",
        location.timezone or "",
        ", ".join(location.tags),
        _age(location.last_at, now),
        _answered_for(location.resolved),
    )


def _age(instant: datetime | None, now: datetime) -> str:
    if instant is None:
        return ""
    seconds = max(0, int((now - instant).total_seconds()))
    for length, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= 2 * length:
            return f"{seconds // length} {unit} ago"
    return f"{seconds} s ago"


def _answered_for(resolved: ResolvedPlace | None) -> str:
    """The provider's own place; an exclamation mark where it is another one."""
    if resolved is None:
        return ""
    distance = resolved.distance_km
    return f"{resolved.name or 'a place'}, {distance:.1f} km off{' (!)' if distance > FAR_OFF_KM else ''}"

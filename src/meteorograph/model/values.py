"""The values that stops hand to each other (``docs/architecture.md``): a request, a payload, an observation."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Final

import msgspec

EARTH_RADIUS_KM: Final = 6371.0088  # mean radius R1, IUGG

#: Beyond this the provider's place is another one than was asked for [km].
FAR_OFF_KM: Final = 10.0


class Coordinates(msgspec.Struct, frozen=True, gc=False):
    """A point on the earth: ``latitude`` [degree north, -90 to 90], ``longitude`` [degree east, -180 to 180]."""

    latitude: float
    longitude: float

    def distance_km(self, other: Coordinates) -> float:
        """Great-circle distance [km], by the haversine formula on a sphere."""
        lat1, lat2 = math.radians(self.latitude), math.radians(other.latitude)
        dlon = math.radians(other.longitude - self.longitude)
        half = math.sin((lat2 - lat1) / 2) ** 2 + math.cos(lat1) * math.cos(lat2) * math.sin(dlon / 2) ** 2
        return 2 * EARTH_RADIUS_KM * math.asin(math.sqrt(min(1.0, half)))

    def __str__(self) -> str:
        return f"{self.latitude:g},{self.longitude:g}"


class RequestPoint(Coordinates, frozen=True, gc=False):
    """A point that a provider is asked for, with its station there where the provider answers by station."""

    station: str | None = None


class AnsweredPlace(msgspec.Struct, frozen=True, gc=False):
    """Where the provider says its answer is for; it may be a town some way off the point that was asked."""

    coordinates: Coordinates
    name: str | None = None


class Station(msgspec.Struct, frozen=True, gc=False):
    """A provider's station that answers for a point."""

    #: The provider's word for it.
    id: str
    place: AnsweredPlace


class DueLocation(msgspec.Struct, frozen=True, gc=False):
    """A location that a run is to collect."""

    id: int
    name: str
    coordinates: Coordinates
    #: What the provider gave for it before.
    resolved_name: str | None = None
    resolved_latitude: float | None = None
    resolved_longitude: float | None = None


class Request(msgspec.Struct, frozen=True, gc=False):
    """One HTTP GET to a provider. What is secret stands apart, and no text made of the request shows it."""

    provider: str
    #: Scheme, host and path, without a query.
    url: str
    #: Query parameters that may be logged, kept and journalled.
    params: dict[str, str]
    #: Query parameters that carry the key.
    secrets: dict[str, str] = {}
    #: Header fields beside those of every request; never secret.
    headers: dict[str, str] = {}

    def __repr__(self) -> str:
        return f"Request({self.provider!r}, {self.url!r}, {self.params!r})"

    __str__ = __repr__


class Payload(msgspec.Struct, frozen=True, gc=False):
    """What a provider answered, unread."""

    request: Request
    status: int
    body: bytes
    #: When the answer was complete (aware UTC).
    fetched_at: datetime
    #: The ``Retry-After`` header as it came: seconds or a date (RFC 9110, 10.2.3).
    retry_after: str | None = None
    #: The ``Expires`` and ``Last-Modified`` headers as they came; kept for providers whose answers are ``caches``.
    expires: str | None = None
    last_modified: str | None = None

    @property
    def wait(self) -> timedelta | None:
        """How long ``Retry-After`` asks for; None where there is no such header."""
        return self.retry_at(timedelta(0)) - self.fetched_at if self.retry_after else None

    def retry_at(self, otherwise: timedelta) -> datetime:
        """When to ask again (aware UTC): what ``Retry-After`` says, or ``otherwise`` from now on."""
        told = (self.retry_after or "").strip()
        if told.isascii() and told.isdigit():
            return self.fetched_at + timedelta(seconds=min(int(told), 366 * 86400))
        try:
            at = parsedate_to_datetime(told).astimezone(UTC)
            return min(max(self.fetched_at, at), self.fetched_at + timedelta(days=366))
        except (ValueError, OverflowError):
            return self.fetched_at + otherwise


class Observation(msgspec.Struct, frozen=True, kw_only=True):
    """Values of quantities at one place and time, in the units of ``quantities.py``; None is "not given"."""

    provider: str
    fetched_at: datetime
    #: The instant the values are true of, and the end of the precipitation period; None where it is not told.
    observed_at: datetime | None
    temperature: float | None = None
    humidity: float | None = None
    dew_point: float | None = None
    pressure: float | None = None
    altimeter_setting: float | None = None
    wind_speed: float | None = None
    wind_direction: float | None = None
    wind_gust: float | None = None
    cloud_cover: float | None = None
    visibility: float | None = None
    precipitation: float | None = None
    #: Length of the period that ``precipitation`` fell in [s]; None where the provider does not say.
    precipitation_period: int | None = None
    #: The weather in the provider's own English words.
    condition: str | None = None
    #: Quantity → what is to be known of its value.
    flags: dict[str, list[str]] = {}
    #: Quantity → provider, for each that comes from another one than ``provider``.
    providers: dict[str, str] = {}
    place: AnsweredPlace | None = None

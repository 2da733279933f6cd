"""The values that modules pass to each other (``docs/architecture.md``): a request, a payload, an observation."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Final

import msgspec

from .quantities import QuantityValues

EARTH_RADIUS_KM: Final = 6371.0088  # mean radius R1, IUGG

#: If the provider's place is further from the requested point than this, it is another place [km].
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
    """A point of a request; with the station for the point if the provider answers by station."""

    station: str | None = None


class AnsweredPlace(msgspec.Struct, frozen=True, gc=False):
    """The place that the provider's answer is for; it may be a town at some distance from the requested point."""

    coordinates: Coordinates
    name: str | None = None


class NamedPlace(msgspec.Struct, frozen=True, gc=False):
    """A place of a gazetteer."""

    name: str
    coordinates: Coordinates
    #: [m]
    elevation: float | None = None
    #: IANA name of the time zone.
    timezone: str | None = None
    region: str | None = None
    country: str | None = None
    population: int | None = None


class Station(msgspec.Struct, frozen=True, gc=False):
    """The station of a provider for a point."""

    #: The provider's identifier.
    id: str
    place: AnsweredPlace


class DueLocation(msgspec.Struct, frozen=True, gc=False):
    """A location that is due in a run."""

    id: int
    name: str
    coordinates: Coordinates
    #: The place that the provider last answered for.
    resolved_name: str | None = None
    resolved_latitude: float | None = None
    resolved_longitude: float | None = None


class Request(msgspec.Struct, frozen=True, gc=False):
    """One HTTP GET to a provider. Secrets are separate, and ``repr`` and ``str`` never show them."""

    provider: str
    #: Scheme, host and path, without a query.
    url: str
    #: Query parameters that may be logged and journalled.
    params: dict[str, str]
    #: Query parameters that carry the key.
    secrets: dict[str, str] = {}
    #: Header fields in addition to those of every request; never secret.
    headers: dict[str, str] = {}

    def __repr__(self) -> str:
        return f"Request({self.provider!r}, {self.url!r}, {self.params!r})"

    __str__ = __repr__


#: The longest wait that a provider can ask for: one that asks for a year, by mistake or on purpose, is tried again after a day.
MAX_WAIT: Final = timedelta(days=1)


class Payload(msgspec.Struct, frozen=True, gc=False):
    """An answer of a provider, not parsed yet."""

    request: Request
    status: int
    body: bytes
    #: When the answer had arrived completely (aware UTC).
    fetched_at: datetime
    #: The unparsed ``Retry-After`` header: seconds or a date (RFC 9110, 10.2.3).
    retry_after: str | None = None
    #: The unparsed ``Expires`` and ``Last-Modified`` headers, of providers with ``caches`` set.
    expires: str | None = None
    last_modified: str | None = None
    #: The unparsed ``Date`` header: when the provider answered, by its own clock.
    date: str | None = None

    @property
    def wait(self) -> timedelta | None:
        """How long to wait according to ``Retry-After``; None without this header."""
        return self.retry_at(timedelta(0)) - self.fetched_at if self.retry_after else None

    def retry_at(self, otherwise: timedelta) -> datetime:
        """When to call again (aware UTC): what ``Retry-After`` says, at most ``MAX_WAIT``, or ``otherwise`` after the answer."""
        header = (self.retry_after or "").strip()[:64]  # Python converts no text with more than some thousand digits
        latest = self.fetched_at + MAX_WAIT
        if header.isascii() and header.isdigit():
            return self.fetched_at + timedelta(seconds=min(int(header), MAX_WAIT.total_seconds()))
        try:
            return min(max(self.fetched_at, parsedate_to_datetime(header).astimezone(UTC)), latest)
        except (ValueError, OverflowError):
            return self.fetched_at + otherwise


class OtherValues(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """What another provider said for the same slot, and is not among the values of the row."""

    #: Quantity → value [unit of ``quantities.py``].
    values: dict[str, float]
    observed_at: datetime | None = None
    #: Length of the period of the amounts [s]; None if the provider does not say.
    precipitation_period: int | None = None
    #: Quantity → flags of its value.
    flags: dict[str, list[str]] = {}


class Observation(QuantityValues, frozen=True, kw_only=True):
    """Values of quantities at one place and time, in the units of ``quantities.py``; None means "not given".

    A calm has no direction: if ``wind_speed`` is 0, ``wind_direction`` is None, without a flag. Some providers give 0, which is
    the code for a calm (WMO-No. 8, volume I, chapter 5), others the last direction of the vane. The rule holds for all providers.
    """

    provider: str
    fetched_at: datetime
    #: The time of the measurement, and the end of the precipitation period; None if the provider does not say.
    observed_at: datetime | None
    #: Length of the period in which ``precipitation`` fell [s]; None if the provider does not say.
    precipitation_period: int | None = None
    #: The weather in the provider's words, in English.
    condition: str | None = None
    #: Quantity → flags of its value (``flags.py``).
    flags: dict[str, list[str]] = msgspec.field(default_factory=dict)
    #: Quantity → provider, for each quantity that does not come from ``provider``.
    providers: dict[str, str] = msgspec.field(default_factory=dict)
    #: Provider → its values that are not used above.
    other_values: dict[str, OtherValues] = msgspec.field(default_factory=dict)
    place: AnsweredPlace | None = None

    def __post_init__(self) -> None:
        if self.wind_speed == 0 and self.wind_direction is not None:
            msgspec.structs.force_setattr(self, "wind_direction", None)
            if "wind_direction" in self.flags:
                flags = {name: flags for name, flags in self.flags.items() if name != "wind_direction"}
                msgspec.structs.force_setattr(self, "flags", flags)

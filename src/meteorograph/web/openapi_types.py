"""Types of requests and answers, for the OpenAPI document."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal, get_args

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from ..locations.fields import LOCATION_STATES
from ..model.quantities import AMOUNTS, BY_NAME
from ..model.statistics import AMOUNT_STATISTICS, SCALAR_STATISTICS
from ..reading.columns import DOCUMENTS, FIELDS, INSTANTS

Instant = Annotated[str, Meta(description="ISO 8601 with its offset from UTC", extra_json_schema={"format": "date-time"})]
Units = Annotated[dict[str, str], Meta(description="Unit of each quantity in the answer")]
RequestID = Annotated[str, Meta(description="The same as in the header X-Request-ID and in the log")]

_TEXTS = {"location", "provider", "origin"}


def _field_type(name: str) -> Any:
    if name in _TEXTS:
        return str
    if name in INSTANTS:
        return Instant | None if name == "observed_at" else Instant
    return str | None if name == "condition" else dict[str, Any] | None if name in DOCUMENTS else float | None


#: A row, with the requested fields.
Row: Any = msgspec.defstruct("Row", [(name, _field_type(name), UNSET) for name in FIELDS])
#: Types of the statistics that are not None without values.
_STATISTIC_TYPES: dict[str, Any] = {"count": int, "covered_seconds": float, "unknown_count": int, "providers": list[str]}


def _statistics(name: str, parts: Sequence[str]) -> type[Struct]:
    return msgspec.defstruct(name, [(part, _STATISTIC_TYPES.get(part, float | None)) for part in parts])


Statistics = _statistics("Statistics", SCALAR_STATISTICS)
AmountStatistics = _statistics("AmountStatistics", AMOUNT_STATISTICS)
#: A bucket, with the requested quantities.
Bucket: Any = msgspec.defstruct(
    "Bucket",
    [
        *(("location", str), ("start", Instant), ("end", Instant), ("due", int), ("stored", int), ("coverage", float | None)),
        ("observations", int),
        *((name, AmountStatistics if name in AMOUNTS else Statistics, UNSET) for name in BY_NAME),
    ],
)


class FieldError(Struct):
    """An invalid field, its value and what is allowed."""

    field: str
    value: Any
    allowed: str


class BadRow(Struct):
    """A row of a file that cannot be imported."""

    line: int
    reason: str


class ImportedLocation(Struct):
    """A location that an import adds or updates, with the fields that change."""

    name: str
    change: Literal["added", "updated"]
    fields: list[str]


class FoundPlace(Struct):
    """A place of the geocoder's gazetteer; the elevation in m."""

    name: str
    region: str | None
    country: str | None
    latitude: float
    longitude: float
    elevation: float | None
    timezone: str | None
    population: int | None


class Problem(Struct):
    """An error (RFC 9457)."""

    type: str
    title: str
    status: int
    request_id: RequestID | None
    detail: str = ""
    errors: list[dict[str, Any]] = []
    retry_at: Instant | None = None


class Point(Struct, forbid_unknown_fields=True):
    """The point to collect; without both coordinates the default place."""

    lat: Annotated[float, Meta(ge=-90, le=90, description="degree north")] | None = None
    lon: Annotated[float, Meta(ge=-180, le=180, description="degree east")] | None = None


class Changes(Struct, forbid_unknown_fields=True):
    """Fields of a location that may be changed."""

    name: Annotated[str, Meta(min_length=1, max_length=200)] | UnsetType = UNSET
    state: Literal["active", "paused"] | UnsetType = UNSET
    elevation: Annotated[float, Meta(ge=-500, le=9000, description="m")] | None = None
    timezone: Annotated[str, Meta(description="IANA time zone")] | None = None
    schedule: Annotated[str, Meta(max_length=100, description="15m, 1h, or a cron expression")] | None = None
    tags: Annotated[list[Annotated[str, Meta(min_length=1, max_length=50)]], Meta(max_length=50)] | None = None


class NewLocation(Struct, forbid_unknown_fields=True):
    """A location to add."""

    name: Annotated[str, Meta(min_length=1, max_length=200)]
    latitude: Annotated[float, Meta(ge=-90, le=90, description="degree north")]
    longitude: Annotated[float, Meta(ge=-180, le=180, description="degree east")]
    elevation: Annotated[float, Meta(ge=-500, le=9000, description="m")] | None = None
    timezone: Annotated[str, Meta(description="IANA time zone")] | None = None
    schedule: Annotated[str, Meta(max_length=100, description="15m, 1h, or a cron expression")] | None = None
    tags: Annotated[list[Annotated[str, Meta(min_length=1, max_length=50)]], Meta(max_length=50)] | None = None


class Location(Struct):
    """A stored location."""

    name: str
    latitude: float
    longitude: float
    elevation: float | None
    timezone: str | None
    schedule: str | None
    tags: list[str]
    state: Annotated[str, Meta(extra_json_schema={"enum": list(LOCATION_STATES)})]
    last_at: Instant | None
    resolved: dict[str, Any] | None


def answer(name: str, **fields: Any) -> type[Struct]:
    """The type of an answer with these fields and the id of the request; a field of ``UnsetType`` may be absent."""
    optional = {field: kind for field, kind in fields.items() if UnsetType in get_args(kind)}
    members = [(field, kind, UNSET) if field in optional else (field, kind) for field, kind in fields.items()]
    return msgspec.defstruct(name, [*members, ("request_id", RequestID)], kw_only=True)

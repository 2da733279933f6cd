"""What the routes take and give, as far as their code does not say it: parameters, bodies, answers and errors."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

from ..ledger.coverage import BY
from ..ledger.queries import MISSED_REASONS, RUN_STATES
from ..locations.fields import LOCATION_STATES
from ..model.quantities import BY_NAME
from ..model.statistics import STATISTICS
from ..model.units import SYSTEMS
from ..reading.columns import FIELDS
from .openapi_types import Bucket, Changes, Location, NewLocation, Point, Row, Units, answer

Schema = dict[str, Any]


def _text(description: str, **more: Any) -> Schema:
    return {"type": "string", "description": description, **more}


def _word(description: str, words: Any) -> Schema:
    return {"type": "string", "enum": list(words), "description": description}


def _names(description: str, known: Any) -> Schema:
    one = "|".join(known)
    return _text(f"{description}, separated by commas; all when left out", pattern=f"^({one})(,({one}))*$")


_MOMENT: Final = "ISO 8601 time, or a time back from now such as 7d"
_INSTANT: Final = "ISO 8601 time; UTC without an offset"

LOCATION: Final = {"location": _text("Name of a location")}
RANGE: Final = {"start": _text(f"From then on: {_INSTANT}"), "end": _text(f"Before then: {_INSTANT}")}
MOMENTS: Final = {"start": _text(f"From then on: {_MOMENT}"), "end": _text(f"Before then: {_MOMENT}")}
PAGE: Final = {
    "limit": {"type": "integer", "minimum": 1, "maximum": 1000, "description": "Entries of an answer; 100 when left out"},
    "cursor": _text("The `next` of the answer before"),
}
SHAPE: Final = {
    "units": _word("System of units; metric when left out", SYSTEMS),
    "zone": _text("IANA time zone that times are told in; UTC when left out"),
    "format": _word("Format of the answer; json when left out", ("json", "csv", "ndjson")),
}
ROWS: Final = {"fields": _names("Fields of a row", FIELDS), **SHAPE}

TABLES: Final = ("text/csv", "application/x-ndjson")


@dataclass(frozen=True, slots=True)
class Described:
    """A route's method, beside what its code says."""

    answer: Any = None
    #: Query parameters.
    query: dict[str, Schema] = field(default_factory=dict)
    #: Type of the body, or media types of one that is a file.
    body: Any = None
    #: Statuses of problems beside 405, which all have.
    errors: tuple[int, ...] = ()
    status: int = 200
    #: Media types of the answer beside JSON; those of one that is no JSON where ``answer`` is None.
    media: tuple[str, ...] = ()
    #: Another status with the same answer.
    also: int | None = None


_FILES: Final = ("text/csv", "application/geo+json")

#: Method and rule → what there is to know.
ROUTES: Final[dict[tuple[str, str], Described]] = {
    ("GET", "/data"): Described(
        answer("Rows", data=list[Row], next=str | None, units=Units),
        LOCATION | RANGE | PAGE | ROWS,
        errors=(400, 404),
        media=TABLES,
    ),
    ("GET", "/data/latest"): Described(answer("Latest", data=list[Row], units=Units), ROWS, errors=(400,), media=TABLES),
    ("GET", "/data/aggregate"): Described(
        answer("Aggregates", data=list[Bucket], bucket=str, units=Units),
        {
            **LOCATION,
            **MOMENTS,
            "bucket": _text("hour, day, month, or a length that divides a day, such as 15m or 6h; hour when left out"),
            "fields": _names("Quantities", BY_NAME),
            "flagged": _word(f"Whether values not to be trusted count in {', '.join(STATISTICS)}", ("exclude", "include")),
            **SHAPE,
        },
        errors=(400, 404),
        media=TABLES,
    ),
    ("GET", "/ingest"): Described(answer("Usage", usage=str, lat=str, lon=str, default=dict[str, float])),
    ("POST", "/ingest"): Described(
        answer("Collected", message=str, data=dict[str, Any]), body=Point, errors=(400, 401, 413, 415, 502, 503, 504)
    ),
    ("GET", "/health"): Described(answer("Health", status=str, problems=list[str], scheduler_running=bool), also=503),
    ("GET", "/livez"): Described(answer("Alive", status=str)),
    ("GET", "/api/version"): Described(answer("Version", version=str, schema=str)),
    ("GET", "/api/locations"): Described(
        answer("Locations", locations=list[Location]),
        {
            "state": _word("Only those in this state", LOCATION_STATES),
            "tag": _text("Only those with this tag"),
            "format": _word("json when left out", ("json", "csv", "geojson")),
        },
        errors=(400,),
        media=_FILES,
    ),
    ("POST", "/api/locations"): Described(
        answer("Added", location=Location, warnings=list[str]), body=NewLocation, errors=(400, 401, 409, 413, 415), status=201
    ),
    ("POST", "/api/locations/import"): Described(
        answer("Imported", added=int, updated=int, unchanged=int, bad=int, errors=list[Any], warnings=list[Any]),
        {
            "skip_bad": _word("Whether to leave out what is wrong", ("0", "1")),
            "update": _word("Whether the file overrules what is there", ("0", "1")),
        },
        body=_FILES,
        errors=(400, 401, 413, 415),
    ),
    ("GET", "/api/locations/{name}"): Described(answer("Shown", location=Location), errors=(404,)),
    ("PATCH", "/api/locations/{name}"): Described(
        answer("Changed", location=Location), body=Changes, errors=(400, 401, 404, 413, 415)
    ),
    ("DELETE", "/api/locations/{name}"): Described(
        answer("Removed", removed=str, rows_deleted=int, rows_kept=int),
        {"data": _word("What becomes of its rows, where it has any", ("delete", "keep"))},
        errors=(400, 401, 404, 409),
    ),
    ("GET", "/api/runs"): Described(
        answer("Runs", data=list[dict[str, Any]], next=str | None),
        {**MOMENTS, "schedule": _text("Name of a schedule"), "state": _word("State of a run", RUN_STATES), **PAGE},
        errors=(400,),
    ),
    ("GET", "/api/gaps"): Described(
        answer("Gaps", data=list[dict[str, Any]], next=str | None),
        {**LOCATION, **MOMENTS, "reason": _word("Why nothing was stored", MISSED_REASONS), **PAGE},
        errors=(400, 404),
    ),
    ("POST", "/api/gaps/retry"): Described(
        answer("Retried", slots=int, heals=bool), {**LOCATION, **MOMENTS}, errors=(400, 401, 403, 404)
    ),
    ("GET", "/api/coverage"): Described(
        answer("Coverages", data=list[dict[str, Any]], next=str | None),
        {**LOCATION, **MOMENTS, "by": _word("What an entry is of; location when left out", BY), **PAGE},
        errors=(400, 404),
    ),
    ("GET", "/api/quota"): Described(answer("Quotas", data=list[dict[str, Any]])),
    ("GET", "/openapi.json"): Described(media=("application/json",)),
    ("GET", "/docs"): Described(media=("text/html",)),
    ("GET", "/"): Described(media=("text/html",), errors=(406,)),
    ("GET", "/metrics"): Described(media=("text/plain",)),
}

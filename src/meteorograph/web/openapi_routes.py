"""Parameters, bodies, answers and errors of the routes, for the OpenAPI document."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, Final

from msgspec import UnsetType

from ..alerts.queries import INCIDENT_STATES
from ..background.tasks import TASK_STATES
from ..i18n import CODES
from ..jobs.queries import JOB_STATES
from ..ledger.coverage import BY
from ..ledger.queries import MISSED_REASONS, RUN_STATES
from ..locations.fields import LOCATION_STATES
from ..model.imports import IMPORT_NAME, IMPORT_PREFIX
from ..model.quantities import BY_NAME
from ..model.statistics import SCALAR_STATISTICS
from ..model.units import SYSTEMS, possible_units
from ..providers.registry import PROVIDERS
from ..reading.columns import FIELDS
from .openapi_alerts import ChannelObject, IncidentObject, NewRule, RuleObject, Silence, TestedChannel
from .openapi_map import MapCellObject, MapPlaceObject
from .openapi_objects import AccountObject, CoverageObject, GapObject, Health, JobObject, JobRunObject, RunObject, TaskObject
from .openapi_types import (
    BadRow,
    Bucket,
    Changes,
    FoundPlace,
    ImportedLocation,
    Instant,
    Location,
    NewLocation,
    Point,
    Row,
    Units,
    answer,
)
from .page.map_colours import CHOICES
from .page.preferences import SYSTEMS as PAGE_UNITS

Schema = dict[str, Any]


def _text(description: str, **more: Any) -> Schema:
    return {"type": "string", "description": description, **more}


def _word(description: str, words: Any) -> Schema:
    return {"type": "string", "enum": list(words), "description": description}


def _names(description: str, known: Any) -> Schema:
    names = "|".join(known)
    return _text(f"{description}, separated by commas; all when left out", pattern=f"^({names})(,({names}))*$")


_SINGLE: Final = "|".join(f"{name}:({'|'.join(map(re.escape, possible_units(name)))})" for name in BY_NAME)
_UNITS: Final = f"^({'|'.join(SYSTEMS)}|{_SINGLE})(,({_SINGLE}))*$"

_MOMENT: Final = (
    "ISO 8601 time, also with the name of a zone as in 2026-03-01T00:00[Europe/Athens], or a time back from now such as 7d"
)
_INSTANT: Final = "ISO 8601 time; UTC without an offset"

LOCATION: Final = {"location": _text("Name of a location")}
PROVIDER: Final = {
    "provider": _text(
        "Provider of the rows, or import: and the name of an import; all when left out",
        pattern=f"^({'|'.join(PROVIDERS)}|{IMPORT_PREFIX}{IMPORT_NAME})$",
    )
}
ORDER: Final = {"order": _word("Order of the rows by their slot; desc, newest first, when left out", ("desc", "asc"))}
TOTAL: Final = {"total": _word("Whether to count all rows that match, which takes time", ("true", "false"))}
RANGE: Final = {
    "start": _text(f"First instant: {_INSTANT}", format="date-time"),
    "end": _text(f"End, exclusive: {_INSTANT}", format="date-time"),
}
MOMENTS: Final = {"start": _text(f"First instant: {_MOMENT}"), "end": _text(f"End, exclusive: {_MOMENT}")}
PAGE: Final = {
    "limit": {"type": "integer", "minimum": 1, "maximum": 1000, "description": "Entries of an answer; 100 when left out"},
    "cursor": _text("The `next` of the previous answer"),
}
PLACES: Final = {**PAGE, "limit": {**PAGE["limit"], "description": "Locations of an answer; 1000 when left out"}}
SHAPE: Final = {
    "units": _text(
        "System of units, units of single quantities, or both, such as metric,temperature:K; metric when left out", pattern=_UNITS
    ),
    "zone": _text("IANA time zone of the times; UTC when left out"),
    "format": _word("Format of the answer; json when left out", ("json", "csv", "ndjson")),
    "safe": _word("For CSV: an apostrophe before texts that a spreadsheet program would run as formulas", ("spreadsheet",)),
}
ROWS: Final = {"fields": _names("Fields of a row", FIELDS), **SHAPE}

TABLES: Final = ("text/csv", "application/x-ndjson")


@dataclass(frozen=True, slots=True)
class RouteDescription:
    """What a method of a route takes and gives."""

    answer: Any = None
    #: Query parameters.
    query: dict[str, Schema] = field(default_factory=dict)
    #: Type of the JSON body, or media types of a file.
    body: Any = None
    #: Statuses of problems, without 405, which every route has.
    errors: tuple[int, ...] = ()
    status: int = 200
    #: Media types of the answer other than the JSON of ``answer``.
    media: tuple[str, ...] = ()
    #: Another status with the same answer.
    also: int | None = None


_FILES: Final = ("text/csv", "application/geo+json")

#: Method and rule → description.
ROUTES: Final[dict[tuple[str, str], RouteDescription]] = {
    ("GET", "/data"): RouteDescription(
        answer("Rows", data=list[Row], next=str | None, total=int | UnsetType, units=Units),
        LOCATION | PROVIDER | RANGE | ORDER | PAGE | TOTAL | ROWS,
        errors=(400, 404),
        media=TABLES,
    ),
    ("GET", "/data/latest"): RouteDescription(
        answer("Latest", data=list[Row], next=str | None, units=Units), ROWS | PLACES, errors=(400,), media=TABLES
    ),
    ("GET", "/data/aggregate"): RouteDescription(
        answer("Aggregates", data=list[Bucket], next=str | UnsetType, bucket=str, units=Units),
        {
            **LOCATION,
            **MOMENTS,
            "bucket": _text("hour, day, month, or a length that divides a day, such as 15m or 6h; hour when left out"),
            "fields": _names("Quantities", BY_NAME),
            "flagged": _word(f"Whether suspect values count in {', '.join(SCALAR_STATISTICS)}", ("exclude", "include")),
            **SHAPE,
            **PLACES,
        },
        errors=(400, 404),
        media=TABLES,
    ),
    ("GET", "/ingest"): RouteDescription(answer("Usage", usage=str, lat=str, lon=str, default=dict[str, float])),
    ("POST", "/ingest"): RouteDescription(
        answer("Collected", message=str, data=dict[str, Any]), body=Point, errors=(400, 401, 413, 415, 502, 503, 504)
    ),
    ("GET", "/health"): RouteDescription(
        Health,
        {"locations": _word("Whether to list the locations", ("true", "false")), **PAGE},
        errors=(400,),
        also=503,
    ),
    ("GET", "/livez"): RouteDescription(answer("Alive", status=str)),
    ("GET", "/readyz"): RouteDescription(answer("Ready", status=str), also=503),
    ("GET", "/api/version"): RouteDescription(answer("Version", version=str, schema=str)),
    ("GET", "/api/locations"): RouteDescription(
        answer("Locations", locations=list[Location], next=str | None),
        {
            "state": _word("Only those in this state", LOCATION_STATES),
            "tag": _text("Only those with this tag"),
            "format": _word("json when left out", ("json", "csv", "geojson")),
            **PLACES,
        },
        errors=(400,),
        media=_FILES,
    ),
    ("POST", "/api/locations"): RouteDescription(
        answer("Added", location=Location, warnings=list[str]),
        {"near": _word("Whether to add it within 100 m of another one; accept when left out", ("accept", "refuse"))},
        body=NewLocation,
        errors=(400, 401, 409, 413, 415),
        status=201,
    ),
    ("POST", "/api/locations/import"): RouteDescription(
        answer(
            "Imported",
            added=int,
            updated=int,
            unchanged=int,
            bad=int,
            errors=list[BadRow],
            warnings=list[str],
            changes=list[ImportedLocation],
        ),
        {
            "skip_bad": _word("Whether to skip invalid rows", ("0", "1")),
            "update": _word("Whether to update existing locations", ("0", "1")),
            "dry_run": _word("Whether to say only what would change", ("0", "1")),
        },
        body=("application/octet-stream", "application/geo+json"),
        errors=(400, 401, 413, 415),
    ),
    ("GET", "/api/locations/{name}"): RouteDescription(answer("Shown", location=Location), errors=(404,)),
    ("PATCH", "/api/locations/{name}"): RouteDescription(
        answer("Changed", location=Location), body=Changes, errors=(400, 401, 404, 409, 413, 415)
    ),
    ("DELETE", "/api/locations/{name}"): RouteDescription(
        answer("Removed", removed=str, rows_deleted=int, rows_kept=int),
        {"data": _word("Whether to delete or keep its rows", ("delete", "keep"))},
        errors=(400, 401, 404, 409),
    ),
    ("GET", "/api/places"): RouteDescription(
        answer("Places", places=list[FoundPlace]),
        {"name": _text("Name of a place", minLength=2, maxLength=100)},
        errors=(400, 401, 403, 502, 504),
    ),
    ("GET", "/api/runs"): RouteDescription(
        answer("Runs", data=list[RunObject], next=str | None),
        {**MOMENTS, "schedule": _text("Name of a schedule"), "state": _word("State of a run", RUN_STATES), **PAGE},
        errors=(400,),
    ),
    ("GET", "/api/jobs"): RouteDescription(answer("Jobs", data=list[JobObject]), errors=(400,)),
    ("GET", "/api/jobs/runs"): RouteDescription(
        answer("JobRuns", data=list[JobRunObject], next=str | None),
        {**MOMENTS, "job": _text("Name of a job"), "state": _word("State of a run", JOB_STATES), **PAGE},
        errors=(400,),
    ),
    ("GET", "/api/tasks"): RouteDescription(
        answer("Tasks", data=list[TaskObject], next=str | None),
        {"state": _word("State of a task", TASK_STATES), **PAGE},
        errors=(400,),
    ),
    ("POST", "/api/tasks/{id}/cancel"): RouteDescription(
        answer("CancelledTask", task=TaskObject), errors=(400, 401, 403, 404, 409)
    ),
    ("GET", "/api/gaps"): RouteDescription(
        answer("Gaps", data=list[GapObject], next=str | None),
        {**LOCATION, **MOMENTS, "reason": _word("Why nothing was stored", MISSED_REASONS), **PAGE},
        errors=(400, 404),
    ),
    ("POST", "/api/gaps/retry"): RouteDescription(
        answer("Retried", slots=int, heals=bool), {**LOCATION, **MOMENTS}, errors=(400, 401, 403, 404)
    ),
    ("GET", "/api/coverage"): RouteDescription(
        answer("Coverages", data=list[CoverageObject], next=str | None),
        {**LOCATION, **MOMENTS, "by": _word("Grouping of entries; location when left out", BY), **PAGE},
        errors=(400, 404),
    ),
    ("GET", "/api/quota"): RouteDescription(answer("Quotas", data=list[AccountObject])),
    ("GET", "/api/alerts"): RouteDescription(
        answer("Alerts", rules=list[RuleObject], channels=list[ChannelObject]), errors=(400,)
    ),
    ("POST", "/api/alerts"): RouteDescription(
        answer("AddedRule", rule=RuleObject), body=NewRule, errors=(400, 401, 403, 409, 413, 415), status=201
    ),
    ("DELETE", "/api/alerts/{name}"): RouteDescription(answer("RemovedRule", removed=str), errors=(400, 401, 403, 404)),
    ("POST", "/api/alerts/silence/{name}"): RouteDescription(
        answer("SilencedRule", rule=RuleObject), body=Silence, errors=(400, 401, 403, 404, 413, 415)
    ),
    ("GET", "/api/alerts/incidents"): RouteDescription(
        answer("Incidents", data=list[IncidentObject], next=str | None),
        {"rule": _text("Name of a rule"), "state": _word("State of an incident", INCIDENT_STATES), **PAGE},
        errors=(400,),
    ),
    ("POST", "/api/alerts/test"): RouteDescription(
        answer("ChannelTrial", channel=str, accepted=bool, error=str | None),
        body=TestedChannel,
        errors=(400, 401, 403, 413, 415),
    ),
    ("GET", "/openapi.json"): RouteDescription(media=("application/json",)),
    ("GET", "/docs"): RouteDescription(media=("text/html",)),
    ("GET", "/"): RouteDescription(media=("text/html",), errors=(406,)),
    ("GET", "/metrics"): RouteDescription(media=("text/plain",)),
    ("GET", "/map.json"): RouteDescription(
        answer(
            "Map",
            quantity=str,
            title=str,
            unit=str,
            count=int,
            has_values=bool,
            places=list[MapPlaceObject],
            cells=list[MapCellObject],
            credits=list[str],
            seen_at=Instant | None,
        ),
        {
            "bbox": _text("west,south,east,north in degrees; west is larger than east across the antimeridian"),
            "count_bbox": _text("The part of bbox that is in view, whose places are counted; all of bbox without it"),
            "zoom": _text("Zoom of the map, from 0 to 19, which decides on the size of cells"),
            "quantity": _word("What places are coloured by", tuple(CHOICES)),
            "q": _text("Part of a name or tag", maxLength=200),
            "show": _word("All places, or the late ones", ("all", "stale")),
            "units": _word("Units of the values; those of the cookie units when left out", PAGE_UNITS),
            "lang": _word("Language of texts and numbers; English when left out", tuple(CODES)),
        },
        errors=(400,),
    ),
    ("GET", "/scripts/leaflet-{digest}.{kind}"): RouteDescription(media=("text/javascript", "text/css"), errors=(404,)),
    ("GET", "/scripts/plotly-{digest}.js"): RouteDescription(media=("text/javascript",), errors=(404,)),
}

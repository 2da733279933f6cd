"""``/api/locations``: list and change locations."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any, Final, Literal, TypeVar
from urllib.parse import quote

from flask import Blueprint, Response, g, request
from werkzeug.exceptions import Conflict, UnsupportedMediaType

from .. import errors
from ..config.settings import MAX_IMPORT_BYTES
from ..errors import BadInputError, InvalidLocationError, LocationFileError
from ..locations import repository, views
from ..locations.fields import LOCATION_STATES, LocationFields
from ..locations.files import FORMATS, MEDIA_TYPES, read_locations, write_locations
from ..locations.importing import ImportPlan, execute_plan, plan_import
from ..model import clock
from ..model.states import TokenScope
from ..model.words import are, plural
from ..storage.engine import get_db_session
from . import answers, params
from .access import needs_scope
from .json_body import json_body
from .json_objects import import_object, location_object
from .problems import shown_value

T = TypeVar("T")

blueprint = Blueprint("locations", __name__)

#: Media type of a file whose first character says what it is; generated clients cannot send ``text/csv``.
_ANY_FILE: Final = "application/octet-stream"

#: Wrong rows and warnings that an answer lists. Its counts include all.
_MAX_LISTED: Final = 1000


def _bad_fields(error: InvalidLocationError) -> BadInputError:
    """The error for a request body with invalid fields of a location."""
    details = "; ".join(f"{shown_value(field.field)}: {field.allowed}" for field in error.errors)
    return BadInputError("body", None, details, errors=error.errors)


@blueprint.get("/api/locations")
def listing() -> dict[str, Any] | Response:
    """Locations by name, all or with a state or tag; as JSON, CSV or GeoJSON. A file has all unless a limit is given."""
    query = _query(state=LOCATION_STATES, tag=None, format=("json", *FORMATS), limit=None, cursor=None)
    state, tag, format = query.get("state"), query.get("tag"), query.get("format", "json")
    limit, after = params.limit(params.MAX_LIMIT), params.after()
    if format != "json" and "limit" not in query:
        return Response(write_locations(_all_fields(state, tag, after), format), mimetype=MEDIA_TYPES[format])
    with get_db_session(read_only=True) as session:
        if format != "json":
            fields, is_more = _cut(views.list_fields(session, state=state, tag=tag, after=after, limit=limit + 1), limit)
            response = Response(write_locations(fields, format), mimetype=MEDIA_TYPES[format])
            return answers.with_next(response, params.cursor(fields[-1].name) if is_more else None)
        places, is_more = _cut(views.list_locations(session, state=state, tag=tag, after=after, limit=limit + 1), limit)
    following = params.cursor(places[-1].name) if is_more else None
    return {"locations": [location_object(place) for place in places], "next": following, "request_id": g.request_id}


def _cut(found: list[T], limit: int) -> tuple[list[T], bool]:
    """At most ``limit`` of the entries, and whether there are more."""
    return found[:limit], len(found) > limit


def _all_fields(state: str | None, tag: str | None, after: str | None) -> Iterator[LocationFields]:
    """The fields of all locations for a file, read page by page while the client takes them."""
    while True:
        with get_db_session(read_only=True) as session:
            page = views.list_fields(session, state=state, tag=tag, after=after, limit=params.MAX_LIMIT)
        yield from page
        if len(page) < params.MAX_LIMIT:
            return
        after = page[-1].name


@blueprint.post("/api/locations")
@needs_scope(TokenScope.ADMIN)
def add() -> tuple[dict[str, Any], int, dict[str, str]]:
    """Add one location; with ``near=refuse`` only if no other one is within 100 m."""
    body, refuses_near = json_body(), _query(near=("accept", "refuse")).get("near") == "refuse"
    try:
        with get_db_session() as session:
            location, warnings = repository.add_location(session, body, clock.now())
            if warnings and refuses_near:
                raise Conflict(f"{'; '.join(warnings)}: near=accept adds it all the same")  # and the session is rolled back
            content = location_object(views.make_view(location))
    except InvalidLocationError as error:
        raise _bad_fields(error) from None
    except errors.LocationExistsError as error:
        raise Conflict(str(error)) from None
    place = f"{request.script_root}/api/locations/{quote(location.name)}"
    return {"location": content, "warnings": warnings, "request_id": g.request_id}, 201, {"Location": place}


@blueprint.get("/api/locations/<path:name>")
def show(name: str) -> dict[str, Any]:
    """One location."""
    with get_db_session(read_only=True) as session:
        return {"location": location_object(views.get_location_view(session, name)), "request_id": g.request_id}


@blueprint.patch("/api/locations/<path:name>")
@needs_scope(TokenScope.ADMIN)
def change(name: str) -> dict[str, Any]:
    """Change name, state, elevation, timezone, schedule or tags of a location."""
    body = json_body()
    try:
        with get_db_session() as session:
            location = repository.change_location(session, name, body)
            content = location_object(views.get_location_view(session, location.name))
    except InvalidLocationError as error:
        raise _bad_fields(error) from None
    except errors.LocationExistsError as error:
        raise Conflict(str(error)) from None
    return {"location": content, "request_id": g.request_id}


@blueprint.delete("/api/locations/<path:name>")
@needs_scope(TokenScope.ADMIN)
def remove(name: str) -> dict[str, Any]:
    """Remove a location; if it has rows, ``data`` decides whether they are deleted or kept."""
    match _query(data=("delete", "keep")).get("data"):
        case "delete":
            data: Literal["delete", "keep"] | None = "delete"
        case "keep":
            data = "keep"
        case _:
            data = None
    try:
        with get_db_session() as session:
            rows = repository.remove_location(session, name, data)
    except errors.LocationHasDataError as error:
        raise Conflict(f"{error}: data=delete deletes them, data=keep keeps them") from None
    kept = rows if data == "keep" else 0
    return {"removed": name, "rows_deleted": rows - kept, "rows_kept": kept, "request_id": g.request_id}


@blueprint.post("/api/locations/import")
@needs_scope(TokenScope.ADMIN)
def import_file() -> dict[str, Any]:
    """Add the locations of a file, all or none, in one transaction; with ``dry_run`` only say what would change."""
    flags = ("0", "1")
    query = _query(skip_bad=flags, update=flags, dry_run=flags)
    format = next((name for name, type in MEDIA_TYPES.items() if request.mimetype == type), None)
    if format is None and request.mimetype != _ANY_FILE:
        raise UnsupportedMediaType(f"The body must be sent as one of {', '.join(MEDIA_TYPES.values())}, {_ANY_FILE}.")
    request.max_content_length = MAX_IMPORT_BYTES
    content = request.get_data(cache=False)
    format = format or ("geojson" if content.lstrip()[:1] == b"{" else "csv")
    lines = io.BytesIO(content)
    skip, update_existing = query.get("skip_bad") == "1", query.get("update") == "1"
    try:
        rows = list(read_locations(lines, format))
    except LocationFileError as error:
        raise BadInputError("file", None, str(error)) from None
    is_dry = query.get("dry_run") == "1"
    with get_db_session() as session:
        plan = plan_import(session, rows, update_existing=update_existing)
        if not is_dry and (not plan.bad or skip):
            for _ in execute_plan(session, plan, clock.now()):
                pass
    summary = _short(plan)
    if plan.bad and not skip and not is_dry:
        hint = "; update=1 updates existing locations" if plan.conflicts and not update_existing else ""
        rows_are = f"{plan.bad_count} {plural(plan.bad_count, 'row')} {are(plan.bad_count)}"
        reason = f"{rows_are} wrong: nothing was changed; skip_bad=1 imports the others{hint}"
        raise BadInputError("file", None, reason, rows=summary["errors"])
    return {**summary, "changes": _changes(plan), "request_id": g.request_id}


def _changes(plan: ImportPlan) -> list[dict[str, Any]]:
    """The first locations that the import adds or updates."""
    added: list[dict[str, Any]] = [{"name": one.name, "change": "added", "fields": []} for one in plan.added[:_MAX_LISTED]]
    updated = plan.updated[: _MAX_LISTED - len(added)]
    return added + [{"name": one.fields.name, "change": "updated", "fields": list(one.changed)} for one in updated]


def _short(plan: ImportPlan) -> dict[str, Any]:
    summary = import_object(plan)
    for name in ("errors", "warnings"):
        summary[name] = summary[name][:_MAX_LISTED]
    return summary


def _query(**allowed: tuple[str, ...] | None) -> dict[str, str]:
    """The query parameters, each allowed, given once, and with one of its allowed values if it has any."""
    for name, values in request.args.lists():
        if name not in allowed:
            raise BadInputError(name, values[0], f"is unknown; use {', '.join(allowed)}")
        words = allowed[name]
        if len(values) > 1:
            raise BadInputError(name, ", ".join(values), "must be given once")
        if words is not None and values[0] not in words:
            raise BadInputError(name, values[0], f"must be one of {', '.join(words)}")
    return request.args.to_dict()

"""``/api/locations``: the places that are collected, read and changed."""

from __future__ import annotations

import io
from typing import Any, Final, Literal
from urllib.parse import quote

from flask import Blueprint, Response, g, request
from werkzeug.exceptions import BadRequest, Conflict, UnsupportedMediaType

from .. import errors
from ..config.settings import MAX_IMPORT_BYTES
from ..errors import BadInputError, InvalidLocationError, LocationFileError
from ..locations import repository, views
from ..locations.fields import LOCATION_STATES
from ..locations.files import FORMATS, MEDIA_TYPES, read_locations, write_locations
from ..locations.importing import ImportPlan, execute_plan, plan_import
from ..model import clock
from ..storage.engine import get_db_session
from .access import require_token
from .json_objects import import_object, location_object
from .problems import shown_value

blueprint = Blueprint("locations", __name__)

#: Wrong rows and warnings that an answer lists; it has the number of all.
_MOST_TOLD: Final = 1000


def _bad_fields(error: InvalidLocationError) -> BadInputError:
    """The answer to a body with wrong fields of a location."""
    wrong = "; ".join(f"{shown_value(one.field)}: {one.allowed}" for one in error.errors)
    return BadInputError("body", None, wrong, errors=error.errors)


@blueprint.get("/api/locations")
def listing() -> dict[str, Any] | Response:
    """All locations by name, or those in a state or with a tag; as JSON, CSV or GeoJSON."""
    asked = _query(state=LOCATION_STATES, tag=None, format=("json", *FORMATS))
    state, tag, format = asked.get("state"), asked.get("tag"), asked.get("format", "json")
    with get_db_session(read_only=True) as session:
        if format != "json":
            found = views.list_fields(session, state=state, tag=tag)
            return Response(write_locations(found, format), mimetype=MEDIA_TYPES[format])
        told = [location_object(location) for location in views.list_locations(session, state=state, tag=tag)]
    return {"locations": told, "request_id": g.request_id}


@blueprint.post("/api/locations")
def add() -> tuple[dict[str, Any], int, dict[str, str]]:
    """Add one location."""
    require_token()
    body = _body()
    try:
        with get_db_session() as session:
            made, warnings = repository.add_location(session, body, clock.now())
            told = location_object(views.make_view(made))
    except InvalidLocationError as error:
        raise _bad_fields(error) from None
    except errors.LocationExistsError as error:
        raise Conflict(str(error)) from None
    place = f"/api/locations/{quote(made.name)}"
    return {"location": told, "warnings": warnings, "request_id": g.request_id}, 201, {"Location": place}


@blueprint.get("/api/locations/<path:name>")
def show(name: str) -> dict[str, Any]:
    """One location."""
    with get_db_session(read_only=True) as session:
        return {"location": location_object(views.get_location_view(session, name)), "request_id": g.request_id}


@blueprint.patch("/api/locations/<path:name>")
def change(name: str) -> dict[str, Any]:
    """Change state, elevation, timezone, schedule or tags."""
    require_token()
    body = _body()
    try:
        with get_db_session() as session:
            repository.change_location(session, name, body)
            session.flush()
            told = location_object(views.get_location_view(session, name))
    except InvalidLocationError as error:
        raise _bad_fields(error) from None
    return {"location": told, "request_id": g.request_id}


@blueprint.delete("/api/locations/<path:name>")
def remove(name: str) -> dict[str, Any]:
    """Remove a location; where it has data, ``data`` says whether that is deleted or kept."""
    require_token()
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
def import_file() -> dict[str, Any]:
    """Add the locations of a CSV or GeoJSON file, all or none, in one transaction."""
    require_token()
    flags = ("0", "1")
    asked = _query(skip_bad=flags, update=flags)
    format = next((name for name, type in MEDIA_TYPES.items() if request.mimetype == type), None)
    if format is None:
        raise UnsupportedMediaType(f"The body must be sent as one of {', '.join(MEDIA_TYPES.values())}.")
    request.max_content_length = MAX_IMPORT_BYTES
    lines = io.BytesIO(request.get_data(cache=False))
    skip, replace = asked.get("skip_bad") == "1", asked.get("update") == "1"
    try:
        rows = list(read_locations(lines, format))
    except LocationFileError as error:
        raise BadInputError("file", None, str(error)) from None
    with get_db_session() as session:
        made = plan_import(session, rows, update_existing=replace)
        if not made.bad or skip:
            for _ in execute_plan(session, made, clock.now()):
                pass
    summary = _short(made)
    if made.bad and not skip:
        hint = "; update=1 lets the file overrule what is there" if made.conflicts and not replace else ""
        reason = f"{len(made.bad)} rows are wrong: nothing was changed; skip_bad=1 goes on without{hint}"
        raise BadInputError("file", None, reason, rows=summary["errors"])
    return {**summary, "request_id": g.request_id}


def _short(made: ImportPlan) -> dict[str, Any]:
    summary = import_object(made)
    for name in ("errors", "warnings"):
        summary[name] = summary[name][:_MOST_TOLD]
    return summary


def _body() -> dict[str, Any]:
    if not request.is_json:
        # A page of another site can send a form unasked, but not JSON.
        raise UnsupportedMediaType("The body must be JSON, sent as 'Content-Type: application/json'.")
    try:
        body = request.get_json()
    except (BadRequest, RecursionError):
        raise BadInputError("body", request.get_data().decode(errors="replace"), "must be JSON") from None
    if not isinstance(body, dict):
        raise BadInputError("body", body, "must be a JSON object")
    return body


def _query(**known: tuple[str, ...] | None) -> dict[str, str]:
    """The parameters of the request; each is known and is given once, with one of its words where it has any."""
    for name, values in request.args.lists():
        if name not in known:
            raise BadInputError(name, values[0], f"is not known here; {', '.join(known)} {'are' if len(known) > 1 else 'is'}")
        words = known[name]
        if len(values) > 1:
            raise BadInputError(name, ", ".join(values), "must be given once")
        if words is not None and values[0] not in words:
            raise BadInputError(name, values[0], f"must be one of {', '.join(words)}")
    return request.args.to_dict()

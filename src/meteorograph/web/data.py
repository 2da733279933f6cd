"""``/data`` and ``/data/latest``: what is stored."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from flask import Blueprint, g, request

from .. import series
from ..db import get_db_session
from . import params
from .problems import BadInput

blueprint = Blueprint("data", __name__)

_KNOWN = ("location", "start", "end", "limit", "cursor", "fields", "units", "format")


@blueprint.get("/data")
def rows() -> dict[str, Any]:
    """Rows, newest first; ``next`` is the cursor of the following page."""
    params.refuse_unknown(_KNOWN)
    asked = request.args
    for name, allowed in (("units", "metric"), ("format", "json")):
        if asked.get(name, allowed) != allowed:
            raise BadInput(name, asked[name], f"must be {allowed}")
    fields = _fields(asked.get("fields"))
    place = params.after_place()
    with get_db_session(read_only=True) as session:
        found, more = series.rows(
            session,
            location=asked.get("location"),
            start=params.instant("start"),
            end=params.instant("end"),
            limit=params.limit(),
            after=series.Position(*place) if place else None,
        )
    return {
        "data": [_told(row, fields) for row in found],
        "next": params.place_cursor(more.due_at, more.location_id) if more else None,
        "units": {name: unit for name, unit in series.UNITS.items() if name in fields},
        "request_id": g.request_id,
    }


@blueprint.get("/data/latest")
def latest() -> dict[str, Any]:
    """The newest row of every location."""
    params.refuse_unknown(("fields",))
    fields = _fields(request.args.get("fields"))
    with get_db_session(read_only=True) as session:
        found = series.latest(session)
    return {
        "data": [_told(row, fields) for row in found],
        "units": {name: unit for name, unit in series.UNITS.items() if name in fields},
        "request_id": g.request_id,
    }


def _told(row: dict[str, Any], fields: tuple[str, ...]) -> dict[str, Any]:
    return {name: row[name].isoformat() if isinstance(row[name], datetime) else row[name] for name in fields}


def _fields(text: str | None) -> tuple[str, ...]:
    if text is None:
        return series.FIELDS
    names = tuple(name.strip() for name in text.split(",") if name.strip())
    if not names or set(names) - set(series.FIELDS):
        raise BadInput("fields", text, f"must be some of {', '.join(series.FIELDS)}, separated by commas")
    return names

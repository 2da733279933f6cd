"""``/data`` and ``/data/latest``: what is stored."""

from __future__ import annotations

import base64
import binascii
from datetime import UTC, datetime
from typing import Any

from flask import Blueprint, g, request

from .. import series
from ..db import get_db_session
from .problems import BadInput

blueprint = Blueprint("data", __name__)

_KNOWN = ("location", "start", "end", "limit", "cursor", "fields", "units", "format")


@blueprint.get("/data")
def rows() -> dict[str, Any]:
    """Rows, newest first; ``next`` is the cursor of the following page."""
    _refuse_unknown(_KNOWN)
    asked = request.args
    for name, allowed in (("units", "metric"), ("format", "json")):
        if asked.get(name, allowed) != allowed:
            raise BadInput(name, asked[name], f"must be {allowed}")
    fields = _fields(asked.get("fields"))
    with get_db_session(read_only=True) as session:
        found, more = series.rows(
            session,
            location=asked.get("location"),
            start=_instant("start"),
            end=_instant("end"),
            limit=_limit(),
            after=_position(asked["cursor"]) if "cursor" in asked else None,
        )
    return {
        "data": [_told(row, fields) for row in found],
        "next": _cursor(more) if more else None,
        "units": {name: unit for name, unit in series.UNITS.items() if name in fields},
        "request_id": g.request_id,
    }


@blueprint.get("/data/latest")
def latest() -> dict[str, Any]:
    """The newest row of every location."""
    _refuse_unknown(("fields",))
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


def _refuse_unknown(known: tuple[str, ...]) -> None:
    for name, values in request.args.lists():
        if name not in known:
            raise BadInput(name, values[0], f"is not known here; {', '.join(known)} {'are' if len(known) > 1 else 'is'}")
        if len(values) > 1:
            raise BadInput(name, ", ".join(values), "must be given once")


def _fields(text: str | None) -> tuple[str, ...]:
    if text is None:
        return series.FIELDS
    names = tuple(name.strip() for name in text.split(",") if name.strip())
    if not names or set(names) - set(series.FIELDS):
        raise BadInput("fields", text, f"must be some of {', '.join(series.FIELDS)}, separated by commas")
    return names


def _limit() -> int:
    text = request.args.get("limit", "100")
    if not (text.isascii() and text.isdigit() and len(text) < 6 and 1 <= int(text) <= 1000):
        raise BadInput("limit", text, "must be a whole number from 1 to 1000")
    return int(text)


def _instant(name: str) -> datetime | None:
    text = request.args.get(name)
    if text is None:
        return None
    try:
        # In a query string a plus sign is a space unless it is encoded, and few people encode it.
        instant = datetime.fromisoformat(text.replace(" ", "+") if "T" in text else text)
        instant = instant if instant.tzinfo else instant.replace(tzinfo=UTC)
        return instant.astimezone(UTC)
    except (ValueError, OverflowError):
        raise BadInput(name, text, "must be an ISO 8601 time such as 2026-11-23T12:00Z (without a zone it is UTC)") from None


def _cursor(position: series.Position) -> str:
    plain = f"{position.due_at.isoformat()}/{position.location_id}"
    return base64.urlsafe_b64encode(plain.encode()).decode().rstrip("=")


def _position(cursor: str) -> series.Position:
    try:
        plain = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode()
        due_at, location_id = plain.split("/")
        instant = datetime.fromisoformat(due_at)
        if instant.tzinfo is None or not 0 <= int(location_id) < 2**63:
            raise ValueError(plain)
        return series.Position(instant.astimezone(UTC), int(location_id))
    except (ValueError, binascii.Error, OverflowError):
        raise BadInput("cursor", cursor, "must be the `next` of an earlier answer") from None

"""``/data`` and ``/data/latest``: stored rows."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final

from flask import Blueprint, Response, request
from sqlalchemy.orm import Session

from ..errors import BadInputError
from ..exporting.serialise import MEDIA_TYPES, AnswerFormat, csv_lines, json_lines
from ..model.imports import IMPORT_NAME, IMPORT_PREFIX
from ..providers.registry import PROVIDERS
from ..reading import columns
from ..reading.columns import FIELDS, Columns, Position, RowQuery
from ..reading.rows import find_location, read_latest_columns
from ..storage.engine import get_db_session
from . import answers, params

blueprint = Blueprint("data", __name__)

#: Parameters of ``/data``.
PARAMETERS: Final = (
    *("location", "provider", "start", "end", "order", "limit", "cursor", "total"),
    *("fields", "units", "zone", "format", "safe"),
)

#: Parameters of ``/data/latest``.
LATEST_PARAMETERS: Final = ("fields", "units", "zone", "format", "safe", "limit", "cursor")

#: Most rows that ``total`` counts.
MAX_TOTAL: Final = 1_000_000

#: Rows per page of a stream. Each page has its own transaction, so that a slow client blocks nothing.
_AT_ONCE: Final = 2000

_IMPORT: Final = re.compile(IMPORT_PREFIX + IMPORT_NAME)


@blueprint.get("/data")
def rows() -> Response:
    """Rows, newest first unless asked otherwise; CSV and NDJSON have all rows unless a limit is given."""
    params.refuse_unknown(PARAMETERS)
    shape, format = _shape(), params.word("format", tuple(MEDIA_TYPES)) or "json"
    position = params.after_place()
    after = Position(*position) if position else None
    start, end, name = params.instant("start"), params.instant("end"), request.args.get("location")
    is_stream = format != "json" and "limit" not in request.args
    limit = _AT_ONCE if is_stream else params.limit()
    with get_db_session(read_only=True) as session:
        location = None if name is None else find_location(session, name)
        query = RowQuery(shape.fields, location, start, end, _provider(), _is_ascending())
        total = {"total": _count(session, query)} if params.word("total", ("true", "false")) == "true" else {}
        found, more = columns.read_page(session, query, limit, after)
    units = shape.units.units_of(shape.fields)
    if is_stream:
        response = answers.with_units(answers.stream(_all(shape, format, query, found, more), format), units)
        return answers.with_total(response, total)
    following = params.place_cursor(more.due_at, more.location_id) if more else None
    if format == "json":
        return answers.json({"data": shape.objects(found), "next": following, **total, "units": units})
    return answers.with_total(answers.with_next(_table(shape, format, found), following), total)


def _count(session: Session, query: RowQuery) -> int:
    count = columns.count_rows(session, query, MAX_TOTAL + 1)
    if count > MAX_TOTAL:
        allowed = f"may be true where at most {MAX_TOTAL:,} rows match; name a location, or a start and an end that are closer"
        raise BadInputError("total", "true", allowed)
    return count


def _provider() -> str | None:
    """The provider of the rows: a known one, or the source of an import."""
    name = request.args.get("provider")
    if name is not None and name not in PROVIDERS and not _IMPORT.fullmatch(name):
        allowed = f"must be one of {', '.join(PROVIDERS)}, or {IMPORT_PREFIX} and the name of an import"
        raise BadInputError("provider", name, allowed)
    return name


def _is_ascending() -> bool:
    return params.word("order", ("desc", "asc")) == "asc"


def _all(shape: AnswerFormat, format: str, query: RowQuery, found: Columns, more: Position | None) -> Iterator[bytes]:
    """All rows, page by page; the first page is read already."""
    yield _head(shape, format)
    yield _lines(shape, format, found)
    while more is not None:
        with get_db_session(read_only=True) as session:
            found, more = columns.read_page(session, query, _AT_ONCE, more)
        yield _lines(shape, format, found)


@blueprint.get("/data/latest")
def latest() -> Response:
    """The newest row of every location; CSV and NDJSON have all unless a limit is given."""
    params.refuse_unknown(LATEST_PARAMETERS)
    shape, format = _shape(), params.word("format", tuple(MEDIA_TYPES)) or "json"
    limit, after = params.limit(params.MAX_LIMIT), params.after()
    found, more = _latest_page(shape.fields, limit, after)
    if format == "json":
        following = None if more is None else params.cursor(more)
        return answers.json({"data": shape.objects(found), "next": following, "units": shape.units.units_of(shape.fields)})
    if more is None or "limit" in request.args:
        return answers.with_next(_table(shape, format, found), more and params.cursor(more))
    units = shape.units.units_of(shape.fields)
    return answers.with_units(answers.stream(_all_latest(shape, format, found, more), format), units)


def _latest_page(fields: Sequence[str], limit: int, after: str | None) -> tuple[Columns, str | None]:
    """The newest rows of the next locations, and the name of the last location if there are more."""
    names = fields if "location" in fields else (*fields, "location")
    with get_db_session(read_only=True) as session:
        columns = read_latest_columns(session, names, after=after, limit=limit + 1)
    locations = columns[names.index("location")]
    more = locations[limit - 1] if len(locations) > limit else None
    return [column[:limit] for column in columns[: len(fields)]], more


def _all_latest(shape: AnswerFormat, format: str, found: Columns, more: str | None) -> Iterator[bytes]:
    """The newest rows of all locations, page by page; the first page is read already."""
    yield _head(shape, format)
    yield _lines(shape, format, found)
    while more is not None:
        found, more = _latest_page(shape.fields, params.MAX_LIMIT, more)
        yield _lines(shape, format, found)


def _table(shape: AnswerFormat, format: str, found: Columns) -> Response:
    body = _head(shape, format) + _lines(shape, format, found)
    return answers.with_units(answers.table(body, format), shape.units.units_of(shape.fields))


def _head(shape: AnswerFormat, format: str) -> bytes:
    return csv_lines([shape.fields]) if format == "csv" else b""


def _lines(shape: AnswerFormat, format: str, found: Columns) -> bytes:
    return csv_lines(shape.rows(found)) if format == "csv" else json_lines(shape.objects(found))


def _shape() -> AnswerFormat:
    fields = params.names("fields", FIELDS)
    return AnswerFormat(fields, params.units(), params.zone(), is_spreadsheet_safe=params.is_spreadsheet_safe())

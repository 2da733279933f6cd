"""``/data/aggregate``: what the rows come to in buckets of time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache
from itertools import chain
from typing import Any, Final
from zoneinfo import ZoneInfo

import msgspec
from flask import Blueprint, Response, g, request

from ..errors import BadInputError
from ..exporting.serialise import MEDIA_TYPES, csv_lines, instants, json_lines, row_type
from ..model import time_range
from ..model.quantities import BY_NAME
from ..model.statistics import STATISTICS, divide_columns
from ..model.time_buckets import DAY, parse_bucket
from ..model.units import System, converter, units_of
from ..reading import aggregates
from ..reading.aggregates import LocationBuckets
from ..storage.engine import get_db_session
from . import answers, params

blueprint = Blueprint("aggregate", __name__)

PARAMETERS: Final = ("location", "start", "end", "bucket", "fields", "units", "zone", "flagged", "format")

_HEAD: Final = ("location", "start", "end", "due", "stored", "coverage")


#: From when on buckets are told when nobody says, for months, days and shorter ones.
_PERIODS: Final = (timedelta(days=365), timedelta(days=30), time_range.DEFAULT_RANGE)


class _Statistics(msgspec.Struct, gc=False):
    """What is told of a quantity, in the order of ``STATISTICS``."""

    min: float | None
    max: float | None
    mean: float | None
    sum: float | None
    count: int


@dataclass(frozen=True, slots=True)
class _Shape:
    """How buckets are told."""

    fields: tuple[str, ...]
    system: System

    def objects(self, found: LocationBuckets) -> list[Any]:
        """Buckets of a location as objects for JSON."""
        columns = [list(map(_Statistics, *self._values(found, name))) for name in self.fields]
        return list(map(row_type((*_HEAD, *self.fields)), *self._head(found), *columns))

    def rows(self, found: LocationBuckets) -> Iterator[tuple[Any, ...]]:
        """Buckets of a location as rows for CSV."""
        return zip(*self._head(found), *chain.from_iterable(self._values(found, name) for name in self.fields), strict=True)

    def lines(self, found: LocationBuckets, format: str) -> bytes:
        """Buckets of a location as bytes of a stream."""
        return csv_lines(self.rows(found)) if format == "csv" else json_lines(self.objects(found))

    def first_line(self, format: str) -> bytes:
        """What comes first in a stream."""
        columns = (*_HEAD, *(f"{name}_{part}" for name in self.fields for part in STATISTICS))
        return csv_lines([columns]) if format == "csv" else b""

    def _head(self, found: LocationBuckets) -> Sequence[Sequence[Any]]:
        edges = _edges(found.edges, found.zone)
        coverage = divide_columns(found.stored, found.due)
        return [found.name] * len(found.due), edges[:-1], edges[1:], found.due, found.stored, coverage

    def _values(self, found: LocationBuckets, name: str) -> Sequence[Sequence[Any]]:
        columns, change = found.values[name], converter(name, self.system)
        if change is None:
            return columns
        changed = [[None if value is None else change(value) for value in column] for column in columns[:-1]]
        return [*changed, columns[-1]]


@lru_cache(maxsize=64)
def _edges(marks: tuple[float, ...], zone: ZoneInfo) -> list[str | None]:
    return instants(marks, zone)


@blueprint.get("/data/aggregate")
def buckets() -> Response:
    """Minimum, maximum, mean, sum and coverage by hour, day, month or any length that divides a day."""
    params.refuse_unknown(PARAMETERS)
    format = params.word("format", tuple(MEDIA_TYPES)) or "json"
    shape = _Shape(params.names("fields", tuple(BY_NAME)), params.system())
    asked = {**_stretch(), "zone": str(params.zone()) if "zone" in request.args else None, "quantities": shape.fields}
    asked["include_flagged"] = params.word("flagged", ("exclude", "include")) == "include"
    asked["location"] = request.args.get("location")
    with get_db_session(read_only=True) as session:
        try:
            found = aggregates.read_bucket_page(session, **asked)
        except ValueError as error:
            raise BadInputError("bucket", asked["bucket"], str(error)) from None
    told = units_of(shape.fields, shape.system)
    about = {"bucket": asked["bucket"], "units": told}
    if format == "json" and asked["location"] is not None:
        return answers.json({"data": shape.objects(found[0]), **about})
    pages = _pages(asked, found)
    if format == "json":
        return answers.stream(_json(shape, pages, {**about, "request_id": g.request_id}), format)
    lines = chain([shape.first_line(format)], (shape.lines(each, format) for each in pages))
    return answers.with_units(answers.stream(lines, format), told)


def _stretch() -> dict[str, Any]:
    """The buckets that are asked for, and from when to when."""
    bucket = request.args.get("bucket", "hour")
    try:
        length = parse_bucket(bucket)
    except ValueError as error:
        raise BadInputError("bucket", bucket, str(error)) from None
    usual = _PERIODS[0] if length is None else _PERIODS[1] if length == DAY else _PERIODS[2]
    start, end = params.period(usual)
    return {"bucket": bucket, "start": start, "end": end}


def _pages(asked: dict[str, Any], found: list[LocationBuckets]) -> Iterator[LocationBuckets]:
    """All locations from a first page on, page by page."""
    while found:
        yield from found
        if asked["location"] is not None or len(found) < aggregates.LOCATIONS_PER_PAGE:
            return
        with get_db_session(read_only=True) as session:
            found = aggregates.read_bucket_page(session, **asked, after=found[-1].id)


def _json(shape: _Shape, pages: Iterator[LocationBuckets], about: dict[str, Any]) -> Iterator[bytes]:
    """One object whose ``data`` is as long as it may be."""
    before = b'{"data":['
    for found in pages:
        if found.due:
            yield before + msgspec.json.encode(shape.objects(found))[1:-1]
            before = b","
    yield (b"" if before == b"," else before) + b"]," + msgspec.json.encode(about)[1:] + b"\n"

"""``/data/aggregate``: statistics of rows in buckets of time."""

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
from ..exporting.serialise import MEDIA_TYPES, csv_lines, instants, json_lines, row_type, without_formulas
from ..model import time_range
from ..model.quantities import AMOUNTS, BY_NAME
from ..model.statistics import STATISTICS, divide_columns
from ..model.time_buckets import DAY, parse_bucket
from ..model.units import Units
from ..reading import aggregates
from ..reading.aggregates import LocationBuckets
from ..storage.engine import get_db_session
from . import answers, params

blueprint = Blueprint("aggregate", __name__)

PARAMETERS: Final = ("location", "start", "end", "bucket", "fields", "units", "zone", "flagged", "format", "safe")

_HEAD: Final = ("location", "start", "end", "due", "stored", "coverage", "observations")


#: Default period for months, for days, and for shorter buckets.
_PERIODS: Final = (timedelta(days=365), timedelta(days=30), time_range.DEFAULT_RANGE)


class _Statistics(msgspec.Struct, gc=False):
    """Statistics of a quantity, in the order of ``SCALAR_STATISTICS``."""

    min: float | None
    max: float | None
    mean: float | None
    sum: float | None
    count: int


class _AmountStatistics(_Statistics, gc=False):
    """Statistics of an amount, in the order of ``AMOUNT_STATISTICS``."""

    sum_estimated: float | None
    covered_seconds: float
    unknown_count: int
    providers: list[str]


#: The statistics that have no unit, or that of time.
_UNITLESS: Final = frozenset({"count", "covered_seconds", "unknown_count", "providers"})


@dataclass(frozen=True, slots=True)
class _Shape:
    """Fields and units of the answer."""

    fields: tuple[str, ...]
    units: Units
    is_spreadsheet_safe: bool = False

    def objects(self, buckets: LocationBuckets) -> list[Any]:
        """Buckets of a location as objects for JSON."""
        columns = [
            list(map(_AmountStatistics if name in AMOUNTS else _Statistics, *self._values(buckets, name))) for name in self.fields
        ]
        return list(map(row_type((*_HEAD, *self.fields)), *self._head(buckets), *columns))

    def rows(self, buckets: LocationBuckets) -> Iterator[tuple[Any, ...]]:
        """Buckets of a location as rows for CSV."""
        columns = chain.from_iterable(self._values(buckets, name) for name in self.fields)
        plain = ([" ".join(names) for names in column] if _has_lists(column) else column for column in columns)
        names, *head = self._head(buckets)
        return zip(without_formulas(names) if self.is_spreadsheet_safe else names, *head, *plain, strict=True)

    def lines(self, buckets: LocationBuckets, format: str) -> bytes:
        """Buckets of a location as bytes of a stream."""
        return csv_lines(self.rows(buckets)) if format == "csv" else json_lines(self.objects(buckets))

    def first_line(self, format: str) -> bytes:
        """The first line of a stream: the header of CSV."""
        columns = (*_HEAD, *(f"{name}_{part}" for name in self.fields for part in STATISTICS[name]))
        return csv_lines([columns]) if format == "csv" else b""

    def _head(self, buckets: LocationBuckets) -> Sequence[Sequence[Any]]:
        edges = _edges(buckets.edges, buckets.zone)
        coverage = divide_columns(buckets.stored, buckets.due)
        return (
            [buckets.name] * len(buckets.due),
            edges[:-1],
            edges[1:],
            buckets.due,
            buckets.stored,
            coverage,
            buckets.observations,
        )

    def _values(self, buckets: LocationBuckets, name: str) -> Sequence[Sequence[Any]]:
        columns, change = buckets.values[name], self.units.converter(name)
        if change is None:
            return columns
        return [
            column if part in _UNITLESS else [None if value is None else change(value) for value in column]
            for part, column in zip(STATISTICS[name], columns, strict=True)
        ]


def _has_lists(column: Sequence[Any]) -> bool:
    return bool(column) and isinstance(column[0], list)


@lru_cache(maxsize=64)
def _edges(marks: tuple[float, ...], zone: ZoneInfo) -> list[str | None]:
    return instants(marks, zone)


@blueprint.get("/data/aggregate")
def buckets() -> Response:
    """Minimum, maximum, mean, sum and coverage by hour, day, month or any length that divides a day."""
    params.refuse_unknown(PARAMETERS)
    format = params.word("format", tuple(MEDIA_TYPES)) or "json"
    shape = _Shape(params.names("fields", tuple(BY_NAME)), params.units(), params.is_spreadsheet_safe())
    query = {**_bucket_range(), "zone": str(params.zone()) if "zone" in request.args else None, "quantities": shape.fields}
    query["include_flagged"] = params.word("flagged", ("exclude", "include")) == "include"
    query["location"] = request.args.get("location")
    with get_db_session(read_only=True) as session:
        try:
            buckets = aggregates.read_bucket_page(session, **query)
        except ValueError as error:
            raise BadInputError("bucket", query["bucket"], str(error)) from None
    units = shape.units.units_of(shape.fields)
    about = {"bucket": query["bucket"], "units": units}
    if format == "json" and query["location"] is not None:
        return answers.json({"data": shape.objects(buckets[0]), **about})
    pages = _pages(query, buckets)
    if format == "json":
        return answers.stream(_json(shape, pages, {**about, "request_id": g.request_id}), format)
    lines = chain([shape.first_line(format)], (shape.lines(page, format) for page in pages))
    return answers.with_units(answers.stream(lines, format), units)


def _bucket_range() -> dict[str, Any]:
    """The parameters ``bucket``, ``start`` and ``end``."""
    bucket = request.args.get("bucket", "hour")
    try:
        length = parse_bucket(bucket)
    except ValueError as error:
        raise BadInputError("bucket", bucket, str(error)) from None
    default_length = _PERIODS[0] if length is None else _PERIODS[1] if length == DAY else _PERIODS[2]
    start, end = params.period(default_length)
    return {"bucket": bucket, "start": start, "end": end}


def _pages(query: dict[str, Any], buckets: list[LocationBuckets]) -> Iterator[LocationBuckets]:
    """All locations, page by page; the first page is read already."""
    while buckets:
        yield from buckets
        if query["location"] is not None or len(buckets) < aggregates.LOCATIONS_PER_PAGE:
            return
        with get_db_session(read_only=True) as session:
            buckets = aggregates.read_bucket_page(session, **query, after=buckets[-1].id)


def _json(shape: _Shape, pages: Iterator[LocationBuckets], about: dict[str, Any]) -> Iterator[bytes]:
    """The bytes of one JSON object with ``data`` of any length."""
    prefix = b'{"data":['
    for buckets in pages:
        if buckets.due:
            yield prefix + msgspec.json.encode(shape.objects(buckets))[1:-1]
            prefix = b","
    yield (b"" if prefix == b"," else prefix) + b"]," + msgspec.json.encode(about)[1:] + b"\n"

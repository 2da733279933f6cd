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
from ..reading.aggregates import LocationBuckets, has_location_after
from ..storage.engine import get_db_session
from . import answers, params

blueprint = Blueprint("aggregate", __name__)

PARAMETERS: Final = (
    *("location", "start", "end", "bucket", "fields", "units", "zone", "flagged"),
    *("format", "safe", "limit", "cursor"),
)

#: Most values (buckets by fields by locations) of an answer that is not a stream.
MAX_VALUES: Final = 500_000

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
    limit = _location_limit(query, is_stream=format != "json" and "limit" not in request.args)
    pages = _Pages(query, params.after_id() or 0, limit)
    units = shape.units.units_of(shape.fields)
    about = {"bucket": query["bucket"], "units": units}
    if format == "json" and query["location"] is not None:
        return answers.json({"data": shape.objects(pages.first[0]), **about})
    if format == "json":
        return answers.stream(_json(shape, pages, {**about, "request_id": g.request_id}), format)
    lines = chain([shape.first_line(format)], (shape.lines(page, format) for page in pages))
    is_bounded = query["location"] is not None or "limit" in request.args
    response = answers.table(b"".join(lines), format) if is_bounded else answers.stream(lines, format)
    return answers.with_units(answers.with_next(response, pages.following), units)


def _location_limit(query: dict[str, Any], *, is_stream: bool) -> int | None:
    """The most locations of the answer; None for a stream of all.

    Raises:
        BadInputError: The answer would have too many values.
    """
    try:
        values = aggregates.count_values(query["start"], query["end"], query["bucket"], len(query["quantities"]))
    except ValueError as error:
        raise BadInputError("bucket", query["bucket"], str(error)) from None
    if is_stream:
        return None
    most, limit = max(1, MAX_VALUES // values), params.limit(params.MAX_LIMIT)
    if "limit" in request.args and limit > most:
        reason = f"may be {most:,} at most with these buckets and fields, because an answer has {MAX_VALUES:,} values at most"
        raise BadInputError("limit", limit, f"{reason}; use longer buckets, a shorter range or fewer fields")
    return min(limit, most)


class _Pages:
    """The buckets of an answer, location by location, read page by page while the client takes them."""

    def __init__(self, query: dict[str, Any], after: int, limit: int | None) -> None:
        self._query = query
        self._after = after
        self._left = 1 if query["location"] is not None else limit
        self.first = self._read()
        #: Cursor of the next answer, which is known at once if the first page fills this one.
        self.following = self._following() if self._left == 0 else None

    def __iter__(self) -> Iterator[LocationBuckets]:
        page = self.first
        while page:
            yield from page
            page = [] if self._left == 0 else self._read()
        self.following = self._following() if self._left == 0 else None

    def _read(self) -> list[LocationBuckets]:
        is_bound = self._query["location"] is None and self._left is not None and self._left < aggregates.LOCATIONS_PER_PAGE
        bound: dict[str, Any] = {"limit": self._left} if is_bound else {}
        with get_db_session(read_only=True) as session:
            try:
                page = aggregates.read_bucket_page(session, **self._query, after=self._after, **bound)
            except ValueError as error:
                raise BadInputError("bucket", self._query["bucket"], str(error)) from None
        if page:
            self._after = page[-1].id
        if self._left is not None:
            self._left -= len(page)
        return page

    def _following(self) -> str | None:
        """The cursor after the last location; None if there are no more."""
        if self._query["location"] is not None:
            return None
        with get_db_session(read_only=True) as session:
            return params.cursor(str(self._after)) if has_location_after(session, self._after) else None


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


def _json(shape: _Shape, pages: _Pages, about: dict[str, Any]) -> Iterator[bytes]:
    """The bytes of one JSON object with ``data`` of any length, and ``next`` if there are more locations."""
    prefix = b'{"data":['
    for buckets in pages:
        if buckets.due:
            yield prefix + msgspec.json.encode(shape.objects(buckets))[1:-1]
            prefix = b","
    about = about if pages.following is None else {"next": pages.following, **about}
    yield (b"" if prefix == b"," else prefix) + b"]," + msgspec.json.encode(about)[1:] + b"\n"

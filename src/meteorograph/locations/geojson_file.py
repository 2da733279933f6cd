"""Reads and writes GeoJSON files of locations (RFC 7946)."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from ..errors import LocationFileError
from .crs import check_crs
from .fields import FIELDS, REQUIRED, LocationFields, parse_cell
from .file_rows import BadRow, FileRow, bad_row, check_row


class _Collection(msgspec.Struct):
    type: str
    features: list[msgspec.Raw]
    crs: Any = None


def read_geojson(text: bytes) -> Iterator[FileRow | BadRow]:
    """Read the features of a file.

    Raises:
        LocationFileError: The file is empty or no FeatureCollection, or its coordinates are not longitude and latitude.
    """
    if not text.strip():
        raise LocationFileError("the file is empty; it must be a GeoJSON FeatureCollection")
    try:
        collection = msgspec.json.decode(text.removeprefix(b"\xef\xbb\xbf"), type=_Collection)
    except msgspec.ValidationError as error:
        raise LocationFileError(f"the file must be a GeoJSON FeatureCollection ({error})") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise LocationFileError(f"{_error_line(text, str(error))}the file is not JSON: {error}") from None
    if collection.type != "FeatureCollection":
        raise LocationFileError(f"type={collection.type!r}: must be FeatureCollection")
    check_crs(collection.crs)
    line, end = 1, 0
    for number, raw in enumerate(collection.features, 1):
        feature = bytes(raw)
        start = text.find(feature, end)
        line += text.count(b"\n", end, start)
        yield _read_feature(line, number, feature)
        line += feature.count(b"\n")
        end = start + len(feature)


def _error_line(text: bytes, error: str) -> str:
    """Prefix with the line of a JSON error; empty if the parser's message has no position."""
    byte = re.search(r"\(byte (\d+)\)", error)
    line = text.count(b"\n", 0, int(byte[1])) + 1 if byte else None
    return f"line {line}: " if line else ""


def _read_feature(line: int, number: int, text: bytes) -> FileRow | BadRow:
    try:
        feature = msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        return bad_row(line, f"is not JSON: {error}", number)
    _check_members(feature)
    match feature:
        case {
            "type": "Feature",
            "geometry": {"type": "Point", "coordinates": [lon, lat, *rest]},
            "properties": dict(properties),
        } if len(rest) < 2:
            values = {field: value for field, value in properties.items() if field in FIELDS and field not in REQUIRED[1:]}
            if rest and values.get("elevation") is None:
                values["elevation"] = rest[0]
            if isinstance(values.get("tags"), str):
                values["tags"] = parse_cell("tags", values["tags"])
            return check_row(line, {**values, "latitude": lat, "longitude": lon}, number)
    reason = "must be a Feature with a Point of [longitude, latitude] or [longitude, latitude, elevation] and properties"
    return bad_row(line, reason, number, _name(feature))


def _check_members(feature: object) -> None:
    """Check the ``crs`` of a feature and of its geometry; the older GeoJSON of 2008 allows one there too.

    Raises:
        LocationFileError: The coordinates are not longitude and latitude.
    """
    for member in (feature, feature.get("geometry") if isinstance(feature, dict) else None):
        if isinstance(member, dict):
            check_crs(member.get("crs"))


def _name(feature: object) -> object:
    """The name of a feature of any form; None without one."""
    match feature:
        case {"properties": {"name": name}}:
            return name
    return None


def write_geojson(locations: Iterable[LocationFields]) -> Iterator[str]:
    """Yield the text of a GeoJSON file, feature by feature."""
    yield '{"type": "FeatureCollection", "features": ['
    separator = "\n"
    for location in locations:
        elevation = [] if location.elevation is None else [location.elevation]
        feature = {
            "type": "Feature",
            "geometry": {"type": "Point", "coordinates": [location.longitude, location.latitude, *elevation]},
            "properties": {field: getattr(location, field) for field in FIELDS if field not in REQUIRED[1:]},
        }
        yield separator + json.dumps(feature, ensure_ascii=False, allow_nan=False)
        separator = ",\n"
    yield "\n]}\n"

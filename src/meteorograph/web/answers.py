"""Answers with data: whole ones with an ETag, and streams that are never held in memory."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any
from urllib.parse import urlencode

import msgspec
from flask import Response, g, request

from ..exporting.serialise import MEDIA_TYPES
from .bounded_reads import bounded_parts


def json(content: dict[str, Any]) -> Response:
    """An object as JSON with the id of the request; 304 if the client has the object already."""
    body = msgspec.json.encode(content)
    end = b',"request_id":' + msgspec.json.encode(g.request_id) + b"}\n"
    return validated(Response(body[:-1] + end, mimetype="application/json"), body)


def table(content: bytes, format: str) -> Response:
    """A table as a whole, of which a client may ask for ranges: Polars reads remote files in parts."""
    return validated(Response(content, content_type=MEDIA_TYPES[format]), content, has_ranges=True)


def validated(response: Response, content: bytes, *, has_ranges: bool = False) -> Response:
    """Add an ETag of the content; 304 if the client has the content already."""
    response.set_etag(hashlib.sha1(content, usedforsecurity=False).hexdigest(), weak=True)
    response.headers["Cache-Control"] = "private, no-cache"  # clients may keep the answer, but must ask whether it is current
    response.make_conditional(request, accept_ranges=has_ranges, complete_length=len(content) if has_ranges else None)
    return response


def stream(parts: Iterable[bytes], format: str) -> Response:
    """A streamed answer, which clients must not cache."""
    response = Response(bounded_parts(parts), content_type=MEDIA_TYPES[format])
    response.headers["Cache-Control"] = "no-store"
    return response


def with_units(response: Response, units: dict[str, str]) -> Response:
    """Add the header ``X-Units``, ASCII JSON, for formats that cannot carry units."""
    text = "".join(letter if letter.isascii() else f"\\u{ord(letter):04x}" for letter in msgspec.json.encode(units).decode())
    response.headers["X-Units"] = text
    return response


def with_total(response: Response, total: dict[str, int]) -> Response:
    """Add the header ``X-Total-Count`` where the client asked for the number of all rows."""
    if total:
        response.headers["X-Total-Count"] = str(total["total"])
    return response


def with_next(response: Response, cursor: str | None) -> Response:
    """Add a link to the next page (RFC 8288)."""
    if cursor is not None:
        query = urlencode({**request.args.to_dict(), "cursor": cursor})
        response.headers["Link"] = f'<{request.script_root}{request.path}?{query}>; rel="next"'
    return response

"""Answers that carry data: whole ones with an ETag, others as a stream of bytes that is never held in memory."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any
from urllib.parse import urlencode

import msgspec
from flask import Response, g, request

from ..exporting.serialise import MEDIA_TYPES


def json(told: dict[str, Any]) -> Response:
    """An object as JSON with the request's id; 304 if the client has all but that already."""
    body = msgspec.json.encode(told)
    end = b',"request_id":' + msgspec.json.encode(g.request_id) + b"}\n"
    return validated(Response(body[:-1] + end, mimetype="application/json"), body)


def validated(response: Response, content: bytes) -> Response:
    """The response with an ETag of what it says; 304 if the client has it already."""
    response.set_etag(hashlib.sha1(content, usedforsecurity=False).hexdigest(), weak=True)
    response.headers["Cache-Control"] = "no-cache"  # it may be kept, and is asked for again
    response.make_conditional(request)
    return response


def stream(parts: Iterable[bytes], format: str) -> Response:
    """A stream; nothing of it is kept by anybody."""
    response = Response(parts, content_type=MEDIA_TYPES[format])
    response.headers["Cache-Control"] = "no-store"
    return response


def with_units(response: Response, units: dict[str, str]) -> Response:
    """The units in a header, for formats that have no place for them: JSON in ASCII."""
    told = "".join(letter if letter.isascii() else f"\\u{ord(letter):04x}" for letter in msgspec.json.encode(units).decode())
    response.headers["X-Units"] = told
    return response


def with_next(response: Response, cursor: str | None) -> Response:
    """Where the next page is, as a link (RFC 8288)."""
    if cursor is not None:
        query = urlencode({**request.args.to_dict(), "cursor": cursor})
        response.headers["Link"] = f'<{request.path}?{query}>; rel="next"'
    return response

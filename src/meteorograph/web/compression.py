"""Compression of answers by Flask-Compress: zstd or gzip, streams chunk by chunk (docs/adr/0009-compression.md)."""

from __future__ import annotations

import gzip
from typing import Any, Final

import zstandard
from flask import Flask, Response, request
from flask_compress import Compress

from .problems import problem

#: Content codings, the preferred one first. Level 1 of zstd packs 100 kB of rows into 8 kB in 0.2 ms; gzip needs 1 ms for 10 kB.
CODINGS: Final = ("zstd", "gzip")

_CONFIG: Final[dict[str, Any]] = {
    "COMPRESS_REGISTER": False,
    "COMPRESS_ALGORITHM": CODINGS,
    "COMPRESS_ALGORITHM_STREAMING": CODINGS,
    "COMPRESS_LEVEL": 1,
    "COMPRESS_ZSTD_LEVEL": 1,
    "COMPRESS_MIN_SIZE": 1024,  # [bytes]
    "COMPRESS_MIMETYPES": (
        *(f"text/{name}" for name in ("html", "css", "csv", "javascript", "plain")),
        *(f"application/{name}" for name in ("json", "geo+json", "x-ndjson", "javascript")),
        "image/svg+xml",
    ),
}


def register(app: Flask) -> None:
    """Compress the application's answers for clients that accept a coding."""
    app.config.from_mapping(_CONFIG)
    library = Compress(app)

    @app.after_request
    def compress(response: Response) -> Response:
        # The library would compress a part of a file (206), and would use a coding that the client excludes with q=0.
        coding = request.accept_encodings.best_match(CODINGS)
        if response.status_code == 206 or coding is None:
            response.vary.add("Accept-Encoding")
            return _refuse_identity() if response.status_code == 200 and _excludes_identity() else response
        if callable(close := getattr(response.response, "close", None)):
            response.call_on_close(close)  # the library replaces the body, and leaves the file or generator open
        response = library.after_request(response)
        if response.status_code == 200 and "Content-Encoding" not in response.headers and _excludes_identity():
            _compress_short(response, coding)
        return response


def _excludes_identity() -> bool:
    """Whether the client refuses an answer without a coding, with ``identity;q=0`` or ``*;q=0``."""
    qualities = {name.lower(): quality for name, quality in request.accept_encodings}
    return qualities.get("identity", qualities.get("*")) == 0


def _compress_short(response: Response, coding: str) -> None:
    """Compress what the library leaves as it is because it is short."""
    response.direct_passthrough = False
    data = response.get_data()
    response.set_data(gzip.compress(data) if coding == "gzip" else zstandard.compress(data))
    response.headers["Content-Encoding"] = coding


def _refuse_identity() -> Response:
    response = problem(406, "Not Acceptable", f"The codings of this answer are {', '.join(CODINGS)} and identity.")
    response.vary.add("Accept-Encoding")
    return response

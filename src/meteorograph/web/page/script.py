"""Plotly's script from the installed package, at a URL with the digest of its content."""

from __future__ import annotations

import gzip
import hashlib
import re
from dataclasses import dataclass
from functools import cache
from importlib.metadata import distribution
from pathlib import Path
from typing import Final

from flask import Response, request
from werkzeug.exceptions import NotFound

from .layout import blueprint

#: The script adds a style sheet unless an element with this id exists. The page's Content-Security-Policy forbids that style
#: sheet, so pages have such an element. The id differs between versions.
_SHEET: Final = re.compile(rb'document\.getElementById\("([0-9a-f]{64})"\)')


@dataclass(frozen=True, slots=True)
class Script:
    """A script of an installed package."""

    path: Path
    digest: str
    #: Ids of the style sheets that the script would add.
    sheets: tuple[str, ...]


@cache
def plotly() -> Script:
    """Plotly's script. Its Python code is never imported."""
    path = Path(str(distribution("plotly").locate_file("plotly/package_data/plotly.min.js")))
    body = path.read_bytes()
    sheets = dict.fromkeys(found.decode() for found in _SHEET.findall(body))
    return Script(path, hashlib.blake2b(body, digest_size=8).hexdigest(), tuple(sheets))


@cache
def _gzipped() -> bytes:
    return gzip.compress(plotly().path.read_bytes(), 6)


@blueprint.get("/scripts/plotly-<digest>.js")
def plotly_script(digest: str) -> Response:
    """The script that draws charts; browsers keep it for a year."""
    if digest != plotly().digest:
        raise NotFound("No script has this digest; the page has the current URL.")
    accepts_gzip = request.accept_encodings.quality("gzip") > 0
    response = Response(_gzipped() if accepts_gzip else plotly().path.read_bytes(), mimetype="text/javascript")
    if accepts_gzip:
        response.headers["Content-Encoding"] = "gzip"
    response.vary.add("Accept-Encoding")
    response.headers["Cache-Control"] = "public, max-age=31536000, immutable"
    return response

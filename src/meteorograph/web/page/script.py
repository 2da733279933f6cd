"""Scripts and style sheets of installed packages, at URLs with the digests of their contents."""

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

_LEAFLET: Final = {"js": "text/javascript", "css": "text/css"}


@dataclass(frozen=True, slots=True)
class Script:
    """A script or style sheet of an installed package."""

    path: Path
    digest: str
    #: Ids of the style sheets that the script would add.
    sheets: tuple[str, ...] = ()


@cache
def plotly() -> Script:
    """Plotly's script. Its Python code is never imported."""
    path = Path(str(distribution("plotly").locate_file("plotly/package_data/plotly.min.js")))
    body = path.read_bytes()
    sheets = dict.fromkeys(found.decode() for found in _SHEET.findall(body))
    return Script(path, _digest(body), tuple(sheets))


@cache
def leaflet(kind: str) -> Script:
    """Leaflet's script, for the kind ``js``, or its style sheet, for ``css``."""
    path = Path(str(distribution("xstatic-leaflet").locate_file(f"xstatic/pkg/leaflet/data/leaflet.{kind}")))
    return Script(path, _digest(path.read_bytes()))


@blueprint.get("/scripts/plotly-<digest>.js")
def plotly_script(digest: str) -> Response:
    """The script that draws charts; browsers keep it for a year."""
    return _answer(plotly(), digest, "text/javascript")


@blueprint.get("/scripts/leaflet-<digest>.<any(js, css):kind>")
def leaflet_file(digest: str, kind: str) -> Response:
    """The script of the map, or its style sheet; browsers keep them for a year."""
    return _answer(leaflet(kind), digest, _LEAFLET[kind])


def _digest(body: bytes) -> str:
    return hashlib.blake2b(body, digest_size=8).hexdigest()


@cache
def _gzipped(path: Path) -> bytes:
    return gzip.compress(path.read_bytes(), 6)


def _answer(script: Script, digest: str, mimetype: str) -> Response:
    if digest != script.digest:
        raise NotFound("No script has this digest; the page has the current URL.")
    accepts_gzip = request.accept_encodings.quality("gzip") > 0
    response = Response(_gzipped(script.path) if accepts_gzip else script.path.read_bytes(), mimetype=mimetype)
    if accepts_gzip:
        response.headers["Content-Encoding"] = "gzip"
    response.vary.add("Accept-Encoding")
    response.headers["Cache-Control"] = "public, max-age=31536000, immutable"
    return response

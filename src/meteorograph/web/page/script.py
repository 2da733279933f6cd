"""The charting library's script, out of its installed package: under an address that says which one it is."""

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

#: The script looks whether an element of this id is there before it adds a style sheet to the page, which the page's
#: Content-Security-Policy would refuse. The id is another one in each version.
_SHEET: Final = re.compile(rb'document\.getElementById\("([0-9a-f]{64})"\)')


@dataclass(frozen=True, slots=True)
class Script:
    """A script of an installed package."""

    path: Path
    digest: str
    #: Ids of the style sheets that it would add.
    sheets: tuple[str, ...]


@cache
def plotly() -> Script:
    """Plotly's script. Its Python side is never imported."""
    path = Path(str(distribution("plotly").locate_file("plotly/package_data/plotly.min.js")))
    body = path.read_bytes()
    sheets = dict.fromkeys(found.decode() for found in _SHEET.findall(body))
    return Script(path, hashlib.blake2b(body, digest_size=8).hexdigest(), tuple(sheets))


@cache
def _packed() -> bytes:
    return gzip.compress(plotly().path.read_bytes(), 6)


@blueprint.get("/scripts/plotly-<digest>.js")
def plotly_script(digest: str) -> Response:
    """The script that draws charts; whoever has it once need not ask again."""
    if digest != plotly().digest:
        raise NotFound("There is no such script; the page names the one that there is.")
    is_packed = request.accept_encodings.quality("gzip") > 0
    response = Response(_packed() if is_packed else plotly().path.read_bytes(), mimetype="text/javascript")
    if is_packed:
        response.headers["Content-Encoding"] = "gzip"
    response.vary.add("Accept-Encoding")
    response.headers["Cache-Control"] = "public, max-age=31536000, immutable"
    return response

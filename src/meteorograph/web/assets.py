"""Our own scripts and styles: the digest of a file is in its address, so that browsers keep it until it changes."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path
from typing import Any, Final

from flask import Flask, Response, request

_FOLDER: Final = Path(__file__).parent / "static"
_KEPT: Final = "public, max-age=31536000, immutable"


def register(app: Flask) -> None:
    """Put the digest into the addresses that pages make, and let browsers keep what they get from them."""
    app.url_defaults(_add_digest)
    app.after_request(_keep)


def _add_digest(endpoint: str, values: dict[str, Any]) -> None:
    if endpoint == "static":
        values["v"] = digest(values["filename"])


@cache
def digest(name: str) -> str:
    """The digest of a file; an empty text if there is no such file."""
    path = _FOLDER / name
    return hashlib.blake2b(path.read_bytes(), digest_size=8).hexdigest() if path.is_file() else ""


def _keep(response: Response) -> Response:
    if request.endpoint == "static" and response.status_code in (200, 304) and (request.view_args or {}):
        if request.args.get("v") == digest(str((request.view_args or {}).get("filename"))):
            response.headers["Cache-Control"] = _KEPT
    return response

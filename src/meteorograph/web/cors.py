"""Let pages of the sites in ``METEOROGRAPH_CORS_ORIGINS`` read the answers (CORS), with Flask-CORS."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from flask import Flask
from flask_cors import CORS

#: Headers of answers that scripts of other sites may read.
_EXPOSED: Final = ("ETag", "Link", "Retry-After", "X-Request-ID", "X-Total-Count", "X-Units")

#: Time for which a browser remembers what it may send [s].
_MAX_AGE: Final = 3600


def register(app: Flask, origins: Sequence[str]) -> None:
    """Send CORS headers to these origins; without origins none are sent. Cookies are never allowed: there are none."""
    if origins:
        CORS(
            app,
            origins=list(origins),
            allow_headers=["Authorization", "Content-Type", "If-None-Match", "X-API-Key", "X-Request-ID"],
            expose_headers=list(_EXPOSED),
            max_age=_MAX_AGE,
        )

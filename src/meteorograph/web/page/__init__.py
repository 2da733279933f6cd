"""The dashboard: HTML pages made by the server and updated in place by a small script."""

from __future__ import annotations

from . import (  # noqa: F401  # each module adds its routes to the blueprint
    alerts,
    badge,
    chart,
    climate,
    compare,
    coverage,
    jobs,
    location,
    locations,
    overview,
    runs,
    script,
    settings,
    sign_in,
)
from .layout import blueprint

__all__ = ["blueprint"]

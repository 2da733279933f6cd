"""The dashboard: HTML pages made by the server and updated in place by a small script."""

from __future__ import annotations

from . import alerts, badge, chart, compare, coverage, jobs, location, locations, overview, runs, script, settings, sign_in  # noqa: F401  # each module adds its routes to the blueprint
from .layout import blueprint

__all__ = ["blueprint"]

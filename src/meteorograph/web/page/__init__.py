"""The dashboard: pages of HTML made here from the ledger and the rows, renewed in place by a small script."""

from __future__ import annotations

from . import coverage, filters, location, locations, overview, runs, script  # noqa: F401  # each puts its route on the blueprint
from .layout import blueprint

__all__ = ["blueprint"]

"""The dashboard: pages of HTML made here from the ledger and the rows, renewed in place by a small script."""

from __future__ import annotations

from . import coverage, location, locations, overview, runs, script, text  # noqa: F401  # each puts its route on the blueprint
from .frame import blueprint

__all__ = ["blueprint"]

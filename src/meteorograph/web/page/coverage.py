"""``/coverage``: what became of the slots of each location, day by day."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import groupby
from typing import Any, Final

from flask import Response, request

from ...ledger import coverage
from ...model import clock
from ...storage.engine import get_db_session
from .. import params
from .layout import blueprint, render

#: The periods that are offered [days].
DAYS: Final = ("7", "30", "90")
#: Locations of a page.
_LIMIT: Final = 25

#: Coverage from which on a cell has a colour, worst first; the last one is complete.
_STEPS: Final = (0.0, 0.5, 0.8, 0.95, 1.0)


@blueprint.get("/coverage")
def heat_map() -> Response:
    """Coverage, as a page: a row for each location, a column for each UTC day."""
    params.refuse_unknown(("days", "location", "cursor"))
    days = int(params.word("days", DAYS) or "30")
    now, name = clock.now(), request.args.get("location") or None
    start = now.replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=days - 1)
    end = now + timedelta(microseconds=1)
    with get_db_session(read_only=True) as session:
        found, more = coverage.slot_coverage(
            session, start, end, by="location,day", location=name, limit=_LIMIT, after=params.after()
        )
        total, _ = coverage.slot_coverage(session, start, end, by="day")
    rows = [_row(place, list(cells)) for place, cells in groupby(found, key=lambda entry: entry["location"])]
    return render(
        "coverage.html",
        rows=rows,
        days=[datetime.fromisoformat(entry["day"]) for entry in total],
        total={name: sum(entry[name] for entry in total) for name in ("due", "stored", "missed", "pending")},
        length=days,
        lengths=DAYS,
        more=more and params.cursor(more),
        is_first="cursor" not in request.args,
        location=name,
    )


def _row(place: str, cells: list[dict[str, Any]]) -> dict[str, Any]:
    due, stored = sum(cell["due"] for cell in cells), sum(cell["stored"] for cell in cells)
    return {"location": place, "coverage": stored / due if due else None, "cells": [_cell(cell) for cell in cells]}


def _cell(cell: dict[str, Any]) -> dict[str, Any]:
    settled = cell["stored"] + cell["missed"]
    share = cell["stored"] / settled if settled else None
    step = "none" if share is None else sum(share >= least for least in _STEPS)
    end = datetime.fromisoformat(cell["day"]) + timedelta(days=1)
    return {**cell, "step": step, "end": f"{end.date().isoformat()}T00:00Z"}

"""``/coverage``: stored and missed slots of each location by day."""

from __future__ import annotations

from datetime import datetime, time, timedelta
from itertools import groupby
from typing import Any, Final

from flask import Response, request

from ...ledger import coverage
from ...ledger.coverage import SlotCoverage
from ...model import clock
from ...storage.engine import get_db_session
from .. import params
from .layout import blueprint, render

#: Periods to choose from [days].
DAYS: Final = ("7", "30", "90")
#: Locations per page.
_LIMIT: Final = 25

#: Least coverage of each colour, worst first; the last is complete.
_STEPS: Final = (0.0, 0.5, 0.8, 0.95, 1.0)


@blueprint.get("/coverage")
def heat_map() -> Response:
    """The coverage page: a row for each location, a column for each UTC day."""
    params.refuse_unknown(("days", "location", "cursor"))
    days = int(params.word("days", DAYS) or "30")
    now, name = clock.now(), request.args.get("location") or None
    start = now.replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=days - 1)
    end = now + timedelta(microseconds=1)
    with get_db_session(read_only=True) as session:
        entries, following = coverage.slot_coverage(
            session, start, end, by="location,day", location=name, limit=_LIMIT, after=params.after()
        )
        days_of_all, _ = coverage.slot_coverage(session, start, end, by="day")
    rows = [_row(place, list(cells)) for place, cells in groupby(entries, key=lambda entry: entry.location)]
    return render(
        "coverage.html",
        rows=rows,
        days=[datetime.combine(entry.day, time()) for entry in days_of_all if entry.day],
        total={name: sum(getattr(entry, name) for entry in days_of_all) for name in ("due", "stored", "missed", "pending")},
        length=days,
        lengths=DAYS,
        more=following and params.cursor(following),
        is_first="cursor" not in request.args,
        location=name,
    )


def _row(place: str | None, entries: list[SlotCoverage]) -> dict[str, Any]:
    due, stored = sum(entry.due for entry in entries), sum(entry.stored for entry in entries)
    return {"location": place, "coverage": stored / due if due else None, "cells": [_cell(entry) for entry in entries]}


def _cell(entry: SlotCoverage) -> dict[str, Any]:
    """Everything that the template shows of an entry."""
    closed = entry.stored + entry.missed
    share = entry.stored / closed if closed else None
    step = "none" if share is None else sum(share >= least for least in _STEPS)
    end = entry.day and entry.day + timedelta(days=1)
    return {"entry": entry, "step": step, "end": f"{end}T00:00Z"}

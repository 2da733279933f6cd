"""``/coverage``: stored and missed slots of each location by day."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from itertools import groupby
from typing import Any, Final
from zoneinfo import ZoneInfo

from flask import Response, request

from ...errors import BadInputError
from ...ledger import coverage
from ...ledger.coverage import SlotCoverage
from ...locations.repository import get_location, shared_timezone
from ...model import clock
from ...model.time_buckets import midnight
from ...storage.engine import get_db_session
from .. import params
from .display import Display
from .layout import blueprint, render
from .preferences import PLACE, read_preferences, refuse_unknown

#: Periods to choose from [days]; a year is shown of one location only.
_YEAR: Final = "365"
DAYS: Final = ("7", "30", "90", _YEAR)
#: Locations per page.
_LIMIT: Final = 25

_WEEK: Final = 7

#: Least coverage of each colour, worst first; the last is complete.
_STEPS: Final = (0.0, 0.5, 0.8, 0.95, 1.0)


@blueprint.get("/coverage")
def heat_map() -> Response:
    """The coverage page: a row for each location, a column for each day; of a year of one location, a calendar.

    Days are those of the zone that the reader has chosen; with the choice "place", of the zone that all locations of the page
    share, else of UTC.
    """
    refuse_unknown(("days", "location", "cursor"))
    days = int(params.word("days", DAYS) or "30")
    now, name = clock.now(), request.args.get("location") or None
    if days == int(_YEAR) and name is None:
        raise BadInputError("location", None, f"must be the name of a location for days={_YEAR}")
    with get_db_session(read_only=True) as session:
        own_zone = get_location(session, name).timezone if name else shared_timezone(session)
        zone = Display(read_preferences(), own_zone).zone
        today = now.astimezone(zone).date()
        start, end = midnight(today - timedelta(days=days - 1), zone), now + timedelta(microseconds=1)
        entries, following = coverage.slot_coverage(
            session, start, end, by="location,day", location=name, limit=_LIMIT, after=params.after(), zone=zone
        )
        days_of_all, _ = coverage.slot_coverage(session, start, end, by="day", location=name, zone=zone)
    rows = [_row(place, list(cells), today, zone) for place, cells in groupby(entries, key=lambda entry: entry.location)]
    return render(
        "coverage.html",
        rows=rows,
        weeks=_weeks(rows[0]["cells"], today - timedelta(days=days - 1), today) if days == int(_YEAR) and rows else None,
        days=[datetime.combine(entry.day, time()) for entry in days_of_all if entry.day],
        total={name: sum(getattr(entry, name) for entry in days_of_all) for name in ("due", "stored", "missed", "pending")},
        length=days,
        lengths=DAYS if name else DAYS[:-1],
        more=following and params.cursor(following),
        is_first="cursor" not in request.args,
        location=name,
        place_zone=own_zone,
        zone=zone.key,
        is_mixed=name is None and own_zone is None and read_preferences().zone == PLACE,
    )


def _row(place: str | None, entries: list[SlotCoverage], today: date, zone: ZoneInfo) -> dict[str, Any]:
    due, stored = sum(entry.due for entry in entries), sum(entry.stored for entry in entries)
    return {
        "location": place,
        "coverage": stored / due if due else None,
        "cells": [_cell(entry, today, zone) for entry in entries],
    }


def _weeks(cells: list[dict[str, Any]], first: date, last: date) -> list[list[dict[str, Any]]]:
    """The days of a calendar by week, from Monday to Sunday; those without a due slot have no ``entry``."""
    by_day = {cell["entry"].day: cell for cell in cells}
    monday = first - timedelta(days=first.weekday())
    days = [monday + timedelta(days=number) for number in range(((last - monday).days // _WEEK + 1) * _WEEK)]
    shown = [{"day": day, **by_day.get(day, {})} for day in days]
    return [shown[number : number + _WEEK] for number in range(0, len(shown), _WEEK)]


def _cell(entry: SlotCoverage, today: date, zone: ZoneInfo) -> dict[str, Any]:
    """Everything that the template shows of an entry, and the edges of its day; the end is None if that is to come."""
    closed = entry.stored + entry.missed
    share = entry.stored / closed if closed else None
    step = "none" if share is None else sum(share >= least for least in _STEPS)
    start, end = (entry.day and midnight(entry.day + timedelta(days=ahead), zone) for ahead in (0, 1))
    return {
        "entry": entry,
        "step": step,
        "start": start and f"{start:%Y-%m-%dT%H:%M:%SZ}",
        "end": None if entry.day == today else end and f"{end:%Y-%m-%dT%H:%M:%SZ}",
    }

"""``/api/runs``, ``/api/gaps`` and ``/api/coverage``: what was collected, what was missed, and why."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from flask import Blueprint, g, request

from .. import scheduler
from ..config.loading import get_settings
from ..errors import BadInputError
from ..healing import missed_slots
from ..ledger import coverage, queries
from ..ledger.gaps import list_gaps
from ..locations import repository
from ..model import time_range
from ..model.states import TokenScope
from ..providers.registry import PROVIDERS
from ..storage.engine import get_db_session
from . import access, params
from .json_objects import coverage_object, gap_object, run_object

blueprint = Blueprint("ledger", __name__)

#: Most slots that coverage of all locations by day counts: some seconds.
MAX_SLOTS: Final = 100_000_000


@blueprint.get("/api/runs")
def runs() -> dict[str, Any]:
    """Runs, newest first."""
    params.refuse_unknown(("start", "end", "schedule", "state", "limit", "cursor"))
    start, end = params.period(time_range.RUNS_RANGE)
    limit, state, after = params.limit(), params.word("state", queries.RUN_STATES), _after()
    with get_db_session(read_only=True) as session:
        entries, following = queries.list_runs(
            session, start, end, limit=limit, schedule=request.args.get("schedule"), state=state, after=after
        )
    return _page([run_object(run) for run in entries], following and params.place_cursor(*following))


@blueprint.get("/api/gaps")
def gaps() -> dict[str, Any]:
    """Missed slots as gaps, newest first."""
    params.refuse_unknown(("start", "end", "location", "reason", "limit", "cursor"))
    start, end = params.period(time_range.DEFAULT_RANGE)
    limit, reason, after = params.limit(), params.word("reason", queries.MISSED_REASONS), _after()
    with get_db_session(read_only=True) as session:
        entries, following = list_gaps(
            session, start, end, location=request.args.get("location"), reason=reason, limit=limit, after=after
        )
    return _page([gap_object(gap) for gap in entries], following and params.place_cursor(*following))


@blueprint.post("/api/gaps/retry")
@access.needs_scope(TokenScope.ADMIN)
def retry() -> dict[str, Any]:
    """Mark missed slots for healing again, also unrecoverable ones; they are filled as the quotas allow."""
    params.refuse_unknown(("start", "end", "location"))
    start, end = params.period(time_range.DEFAULT_RANGE)
    location = request.args.get("location")
    with get_db_session() as session:
        location_id = None if location is None else repository.get_location(session, location).id
        slots = missed_slots.reopen_slots(session, location_id, start, end)
    settings = get_settings()
    heals = settings.healing and any(PROVIDERS[name].history for name in settings.backfill_providers or settings.providers)
    if heals:
        scheduler.heal_soon()
    return {"slots": slots, "heals": heals, "request_id": g.request_id}


@blueprint.get("/api/coverage")
def coverage_() -> dict[str, Any]:
    """Stored, missed and pending slots by location, by day, or by both."""
    text = params.word("by", coverage.BY) or "location"
    by = next(grouping for grouping in coverage.BY if grouping == text)
    params.refuse_unknown(("start", "end", "location", "by", *(() if by == "day" else ("limit", "cursor"))))
    start, end = params.period(time_range.DEFAULT_RANGE)
    limit, after = params.limit(), params.after()
    with get_db_session(read_only=True) as session:
        if by == "day" and "location" not in request.args:
            _refuse_long(coverage.earliest_start(session, start, end, MAX_SLOTS))
        entries, following = coverage.slot_coverage(
            session, start, end, by=by, location=request.args.get("location"), limit=limit, after=after
        )
    return _page([coverage_object(entry) for entry in entries], following and params.cursor(following))


def _refuse_long(earliest: datetime | None) -> None:
    if earliest is not None:
        reason = (
            f"must be {earliest:%Y-%m-%dT%H:%M:%SZ} or later with this end, because an answer counts {MAX_SLOTS:,} slots at most"
        )
        raise BadInputError("start", request.args.get("start"), f"{reason}; or name a location")


def _after() -> queries.Cursor | None:
    place = params.after_place()
    return queries.Cursor(*place) if place else None


def _page(objects: list[dict[str, Any]], cursor: str | None) -> dict[str, Any]:
    return {"data": objects, "next": cursor, "request_id": g.request_id}

"""``/api/jobs`` and ``/api/jobs/runs``: the jobs of the user's own, and what became of their slots."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, g, request

from ..jobs import queries
from ..model import clock, time_range
from ..storage.engine import get_db_session
from . import params
from .job_objects import job_object, job_run_object

blueprint = Blueprint("jobs", __name__)


@blueprint.get("/api/jobs")
def jobs() -> dict[str, Any]:
    """The jobs of the user's own, by name."""
    params.refuse_unknown(())
    with get_db_session(read_only=True) as session:
        return {"data": [job_object(job) for job in queries.list_jobs(session, clock.now())], "request_id": g.request_id}


@blueprint.get("/api/jobs/runs")
def runs() -> dict[str, Any]:
    """Runs of jobs, newest first."""
    params.refuse_unknown(("start", "end", "job", "state", "limit", "cursor"))
    start, end = params.period(time_range.RUNS_RANGE)
    limit, state, place = params.limit(), params.word("state", queries.JOB_STATES), params.after_place()
    with get_db_session(read_only=True) as session:
        after = queries.JobCursor(*place) if place else None
        entries, following = queries.list_job_runs(
            session, start, end, limit=limit, job=request.args.get("job"), state=state, after=after
        )
    cursor = following and params.place_cursor(*following)
    return {"data": [job_run_object(run) for run in entries], "next": cursor, "request_id": g.request_id}

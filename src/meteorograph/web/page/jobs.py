"""``/jobs``: the jobs of the user's own, their runs, and background tasks."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from flask import Response, request

from ...background.tasks import list_tasks
from ...jobs import queries
from ...model import clock
from ...storage.engine import get_db_session
from .. import params
from .display import Display
from .layout import blueprint, render
from .preferences import read_preferences, refuse_unknown
from .task_words import task_view

#: Period of the runs, and runs or tasks per page.
_PERIOD: Final = timedelta(days=7)
_LIMIT: Final = 25


@blueprint.get("/jobs")
def jobs() -> Response:
    """The page of jobs."""
    refuse_unknown(("job", "state", "cursor", "tasks"))
    state, place, job = params.word("state", queries.JOB_STATES), params.after_place(), request.args.get("job")
    now = clock.now()
    end = now + timedelta(microseconds=1)
    with get_db_session(read_only=True) as session:
        after = queries.JobCursor(*place) if place else None
        entries, more = queries.list_job_runs(session, end - _PERIOD, end, limit=_LIMIT, job=job, state=state, after=after)
        registered = queries.list_jobs(session, now)
        tasks, more_tasks = list_tasks(session, _LIMIT, after=params.after_id("tasks"))
    display = Display(read_preferences())
    return render(
        "jobs.html",
        jobs=registered,
        runs=entries,
        job=job,
        state=state,
        states=queries.JOB_STATES,
        more=more and params.place_cursor(*more),
        is_first="cursor" not in request.args,
        tasks=[task_view(task, display) for task in tasks],
        more_tasks=more_tasks and params.cursor(str(more_tasks)),
        are_first_tasks="tasks" not in request.args,
    )

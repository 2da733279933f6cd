"""The JSON objects of jobs and their runs, as the API and the command line give them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from ..jobs.queries import JobView
from ..storage.models import JobRun


def job_object(job: JobView) -> dict[str, Any]:
    """A job as a JSON object."""
    return {
        "name": job.name,
        "schedule": job.schedule,
        "registered": job.is_registered,
        "failing": job.has_failed,
        "next_due_at": _instant(job.next_due_at),
        "last_success_at": _instant(job.last_success_at),
        "slots": {state.value: slots for state, slots in job.totals.items()},
        "last_run": None if job.newest is None else job_run_object(job.newest),
    }


def job_run_object(run: JobRun) -> dict[str, Any]:
    """The run of a job as a JSON object."""
    return {
        "id": run.id,
        "job": run.job,
        "due_at": run.due_at.isoformat(),
        "state": run.state,
        "attempts": run.attempts,
        "slots": run.slots,
        "holder": run.holder,
        "started_at": _instant(run.started_at),
        "ended_at": _instant(run.ended_at),
        "retry_at": _instant(run.retry_at),
        "error": run.error,
    }


def _instant(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat()

"""``meteorograph runs --jobs``: the runs of the jobs of the user's own."""

from __future__ import annotations

from datetime import datetime
from typing import Final

import click

from .output import Column, complain, print_json, print_table
from .sessions import open_session

STATES: Final = ("pending", "running", "succeeded", "failed", "skipped")

_COLUMNS: Final = (
    Column("due at (UTC)"),
    Column("job", wraps=True),
    Column("state", is_state=True),
    *(Column(title, is_number=True) for title in ("attempts", "took", "slots")),
    Column("reason", wraps=True),
)


def show_job_runs(since: datetime, until: datetime, *, limit: int, job: str | None, state: str | None, as_json: bool) -> None:
    """Print the runs of jobs, newest first."""
    from ..jobs import queries
    from ..web.job_objects import job_run_object

    if state is not None and state not in STATES:
        raise click.UsageError(f"--state {state}: the state of a job is {', '.join(STATES[:-1])} or {STATES[-1]}")
    with open_session(read_only=True) as session:
        runs, following = queries.list_job_runs(session, since, until, limit=limit, job=job, state=state)
    if as_json:
        return print_json([job_run_object(run) for run in runs])
    rows = [
        (
            f"{run.due_at:%Y-%m-%d %H:%M}",
            run.job,
            run.state,
            str(run.attempts),
            _seconds_text(run.started_at, run.ended_at),
            str(run.slots) if run.slots > 1 else "",
            " ".join((run.error or "").split())[:100],
        )
        for run in runs
    ]
    if rows:
        print_table(_COLUMNS, rows)
    else:
        click.echo("no runs of jobs")
    if following is not None:
        complain(f"there are more than {limit}; use --limit, --start and --end to see others")


def _seconds_text(start: datetime | None, end: datetime | None) -> str:
    return "" if start is None or end is None else f"{(end - start).total_seconds():.1f} s"

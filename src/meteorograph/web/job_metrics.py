"""Metrics of the jobs of the user's own, and of background tasks."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from sqlalchemy.orm import Session

from ..background.tasks import count_tasks
from ..jobs import queries
from ..model import clock


def job_metrics(session: Session) -> Iterator[Metric]:
    """The slots of each job by outcome, whether its last run failed, and when a run last succeeded."""
    runs = CounterMetricFamily("meteorograph_job_runs", "Slots of a job by outcome.", labels=("job", "state"))
    failing = GaugeMetricFamily("meteorograph_job_failing", "1 if the last run of a job failed.", labels=("job",))
    success = GaugeMetricFamily(
        "meteorograph_job_last_success_timestamp_seconds", "When a run of a job last succeeded.", labels=("job",)
    )
    for job in queries.list_jobs(session, clock.now()):
        for state, slots in job.totals.items():
            runs.add_metric([job.name, state], slots)
        failing.add_metric([job.name], float(job.has_failed))
        if job.last_success_at is not None:
            success.add_metric([job.name], job.last_success_at.timestamp())
    yield from (runs, failing, success)


def task_metrics(session: Session) -> Iterator[Metric]:
    """The number of background tasks in each state; ended ones count for 30 days."""
    tasks = GaugeMetricFamily(
        "meteorograph_background_tasks", "Background tasks of the last 30 days by state.", labels=("state",)
    )
    for state, number in count_tasks(session).items():
        tasks.add_metric([state], number)
    yield tasks

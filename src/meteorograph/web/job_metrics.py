"""Metrics of the jobs of the user's own."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from sqlalchemy.orm import Session

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

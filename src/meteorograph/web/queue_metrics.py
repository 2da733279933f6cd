"""Metrics of what waits for a process."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client.core import GaugeMetricFamily, Metric
from sqlalchemy.orm import Session

from ..ledger.queue_counts import read_queues
from ..model import clock


def queue_metrics(session: Session) -> Iterator[Metric]:
    """Depth, lag and retries of each queue."""
    depth = GaugeMetricFamily("meteorograph_queue_jobs", "Jobs of a queue by state.", labels=("queue", "state"))
    lag = GaugeMetricFamily(
        "meteorograph_queue_lag_seconds", "Age of the job that has waited for longest; 0 if none waits.", labels=("queue",)
    )
    retries = GaugeMetricFamily(
        "meteorograph_queue_retries", "How often jobs that are not done yet were begun again.", labels=("queue",)
    )
    for counts in read_queues(session, clock.now()):
        for state in ("waiting", "running", "failed"):
            depth.add_metric([counts.queue, state], getattr(counts, state))
        lag.add_metric([counts.queue], counts.lag_seconds or 0.0)
        retries.add_metric([counts.queue], counts.retries)
    yield from (depth, lag, retries)

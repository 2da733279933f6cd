"""How much waits for a process: by the ledger, and with Procrastinate by its queues too."""

from __future__ import annotations

from datetime import datetime
from typing import Final, NamedTuple

from sqlalchemy import case, func, select, text
from sqlalchemy.orm import Session

from ..model.states import OPEN_STATES, ShardState
from ..storage.lease_clock import lease_offset
from ..storage.models import Run, Shard
from ..storage.queues import WORKED_QUEUES, Queue, uses_queues
from .conditions import shard_is_free


class QueueCounts(NamedTuple):
    """What a queue has."""

    queue: str
    waiting: int
    running: int
    #: Jobs that ended with an error; they are kept for three days.
    failed: int
    #: Age of what has waited for longest [s]; None where nothing waits.
    lag_seconds: float | None
    #: How often what is not done yet was begun again.
    retries: int


_QUEUES: Final = text(
    """
    SELECT queue_name,
      count(*) FILTER (WHERE status = 'todo') AS waiting,
      count(*) FILTER (WHERE status = 'doing') AS running,
      count(*) FILTER (WHERE status = 'failed') AS failed,
      EXTRACT(epoch FROM clock_timestamp() - min(deferred.at) FILTER (WHERE status = 'todo'))::double precision AS lag,
      coalesce(sum(attempts) FILTER (WHERE status IN ('todo', 'doing')), 0) AS retries
    FROM procrastinate_jobs AS job LEFT JOIN LATERAL (
      SELECT max(at) AS at FROM procrastinate_events WHERE job_id = job.id AND type IN ('deferred', 'deferred_for_retry')
    ) AS deferred ON job.status = 'todo'
    GROUP BY queue_name
    """
)


_UNWORKED: Final = text(
    """
    SELECT count(*), extract(epoch FROM clock_timestamp() - min(at))::double precision FROM procrastinate_jobs AS job
    JOIN LATERAL (
      SELECT max(at) AS at FROM procrastinate_events WHERE job_id = job.id AND type IN ('deferred', 'deferred_for_retry')
    ) AS deferred ON true
    WHERE status = 'todo' AND queue_name = :queue
      AND NOT EXISTS (SELECT FROM procrastinate_workers WHERE last_heartbeat > clock_timestamp() - interval '60 s')
    """
)

#: How long jobs may wait while no worker lives, as when all of them are started again [s].
_UNWORKED_SECONDS: Final = 60.0


def count_unworked_jobs(session: Session) -> tuple[int, float]:
    """How many jobs of shards wait although no process takes jobs, and for how long the first one has [s]; (0, 0) for none."""
    if not _has_queues(session):
        return 0, 0.0
    count, seconds = session.execute(_UNWORKED, {"queue": Queue.LIVE.value}).one()
    return (count, seconds) if count and seconds > _UNWORKED_SECONDS else (0, 0.0)


def read_queues(session: Session, now: datetime) -> list[QueueCounts]:
    """The queues, by name. With the local engine there is one, of the shards of runs."""
    live = _read_shards(session, now)
    if not _has_queues(session):
        return [live]
    counts = {name.value: QueueCounts(name.value, 0, 0, 0, None, 0) for name in (*WORKED_QUEUES, Queue.SWEEP)}
    counts |= {row.queue_name: QueueCounts(*row) for row in session.execute(_QUEUES)}
    # A job is deleted when it is done, also one that found its shard taken: how often a shard was taken is in the ledger.
    counts[Queue.LIVE] = counts[Queue.LIVE]._replace(retries=live.retries)
    return [counts[name] for name in sorted(counts)]


def _has_queues(session: Session) -> bool:
    if not uses_queues() or session.get_bind().dialect.name != "postgresql":
        return False
    return session.scalar(text("SELECT to_regclass('procrastinate_jobs')")) is not None


def _read_shards(session: Session, now: datetime) -> QueueCounts:
    is_free = shard_is_free(now + lease_offset(session))
    again = case((Shard.token > 1, Shard.token - 1), else_=0)
    columns = (
        func.count().filter(is_free),
        func.count().filter(Shard.state == ShardState.RUNNING, ~is_free),
        func.min(Run.due_at).filter(is_free),
        func.coalesce(func.sum(again), 0),
    )
    open_shards = select(*columns).join(Run, Run.id == Shard.run_id)
    query = open_shards.where(Run.state.in_(OPEN_STATES), Shard.state != ShardState.DONE)
    waiting, running, oldest, retries = session.execute(query).one()
    lag = None if oldest is None else max(0.0, (now - oldest).total_seconds())
    return QueueCounts(Queue.LIVE.value, waiting, running, 0, lag, int(retries))

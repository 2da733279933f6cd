"""Heartbeats: the last sign of life of the scheduler of each process."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from ..storage.engine import get_db_session
from ..storage.models import Heartbeat
from ..storage.process import process_name
from ..storage.upsert import insert_or_replace

#: Older heartbeats are deleted. The last one before an absence says whether the process was stopped in order.
KEPT: Final = timedelta(days=30)


def record_heartbeat(now: datetime, *, is_stopped: bool = False) -> None:
    """Record that the scheduler of this process is alive, or that it stops in order; delete heartbeats older than a month."""
    with get_db_session() as session:
        insert_or_replace(session, Heartbeat, [{"holder": process_name(), "beat_at": now, "is_stopped": is_stopped}])
        session.query(Heartbeat).filter(Heartbeat.beat_at < now - KEPT).delete()

"""Heartbeats: the last sign of life of the scheduler of each process."""

from __future__ import annotations

from datetime import datetime, timedelta

from ..storage.engine import get_db_session
from ..storage.models import Heartbeat
from ..storage.process import process_name
from ..storage.upsert import insert_or_replace


def record_heartbeat(now: datetime) -> None:
    """Record that the scheduler of this process is alive, and delete heartbeats that are more than a day old."""
    with get_db_session() as session:
        insert_or_replace(session, Heartbeat, [{"holder": process_name(), "beat_at": now}])
        session.query(Heartbeat).filter(Heartbeat.beat_at < now - timedelta(days=1)).delete()

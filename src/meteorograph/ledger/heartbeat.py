"""Signs of life of the scheduler of each process."""

from __future__ import annotations

from datetime import datetime, timedelta

from ..storage.engine import get_db_session
from ..storage.models import Heartbeat
from ..storage.process import process_name
from ..storage.upsert import insert_or_replace


def record_heartbeat(now: datetime) -> None:
    """Leave a sign of life of this process's scheduler, and forget those of processes a day gone."""
    with get_db_session() as session:
        insert_or_replace(session, Heartbeat, [{"holder": process_name(), "beat_at": now}])
        session.query(Heartbeat).filter(Heartbeat.beat_at < now - timedelta(days=1)).delete()

"""Heartbeats: the last sign of life of the scheduler of each process."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from ..storage.engine import get_db_session
from ..storage.models import Heartbeat
from ..storage.process import process_name
from ..storage.site import site_name
from ..storage.upsert import insert_or_replace

#: Older heartbeats are deleted. The last one before an absence says whether the process was stopped in order.
KEPT: Final = timedelta(days=30)


def record_heartbeat(now: datetime, folder: Path | None = None) -> None:
    """Record that the scheduler of this process is alive; delete heartbeats older than a month.

    Args:
        now: The current instant.
        folder: The folder with the fallback database of this process, if it has one.
    """
    row = {"holder": process_name(), "beat_at": now, "site": folder and site_name(folder), "is_stopped": False}
    with get_db_session() as session:
        insert_or_replace(session, Heartbeat, [row])
        session.query(Heartbeat).filter(Heartbeat.beat_at < now - KEPT).delete()


def record_stop(now: datetime) -> None:
    """Record that the scheduler of this process stops in order, if it has ever recorded a heartbeat."""
    with get_db_session() as session:
        mine = session.query(Heartbeat).filter(Heartbeat.holder == process_name())
        mine.update({"beat_at": now, "is_stopped": True}, synchronize_session=False)

"""Webhooks of runs: each run that has ended becomes a delivery for each webhook, once, in whatever process it ended."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from ..config.settings import Settings
from ..model.states import OPEN_STATES
from ..storage.engine import get_db_session
from ..storage.models import Run, WebhookCursor
from ..storage.upsert import insert_or_ignore
from . import deliveries
from .messages import run_message

#: Runs of one look; the rest follows in the next one.
_MAX_RUNS: Final = 1000


def put_run_messages(settings: Settings, now: datetime) -> None:
    """Add the runs that have ended to the deliveries of each webhook. A new webhook begins with the runs that begin from now on.

    The cursor stops before the first run that is still open, so that runs that end out of order, or are moved from the fallback
    database, are not missed. The unique key of a delivery keeps those that were added before from being added again.
    """
    for channel in settings.webhooks:
        with get_db_session(read_only=True) as session:
            cursor = session.get(WebhookCursor, channel)
            newest = session.scalar(select(func.max(Run.id))) or 0
            if cursor is not None and cursor.until_id >= newest:
                continue
            runs = [] if cursor is None else _runs_after(session, cursor.until_id)
        with get_db_session() as session:
            if cursor is None:
                insert_or_ignore(session, WebhookCursor, [{"channel": channel, "until_id": newest}])
                continue
            _put(session, channel, runs, now)
            is_open = [run.id for run in runs if run.state in OPEN_STATES]
            until_id = min(is_open) - 1 if is_open else runs[-1].id
            mine = update(WebhookCursor).where(WebhookCursor.channel == channel, WebhookCursor.until_id < until_id)
            session.execute(mine.values(until_id=until_id), execution_options={"synchronize_session": False})


def _runs_after(session: Session, id_: int) -> list[Run]:
    return list(session.scalars(select(Run).where(Run.id > id_).order_by(Run.id).limit(_MAX_RUNS)))


def _put(session: Session, channel: str, runs: list[Run], now: datetime) -> None:
    for run in runs:
        if run.state not in OPEN_STATES:
            deliveries.put(session, run_message(_run_object(run), run.id), [channel], now, webhooks=[channel])


def _run_object(run: Run) -> dict[str, Any]:
    """A run as JSON, with the counts that it has now."""
    return {
        "schedule": run.schedule,
        "due_at": run.due_at.isoformat(),
        "state": run.state,
        "reason": run.reason,
        "due": run.due,
        "stored": run.stored,
        "failed": run.failed,
        "calls": run.calls,
        "started_at": run.started_at and run.started_at.isoformat(),
        "ended_at": run.ended_at and run.ended_at.isoformat(),
    }

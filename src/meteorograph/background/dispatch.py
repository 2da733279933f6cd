"""Let this process or the engine work on background tasks."""

from __future__ import annotations

import threading

from ..log_output import get_logger
from ..storage.database_errors import error_text
from ..storage.engine import get_db_session, init_db
from ..storage.queues import uses_queues
from . import tasks
from .runner import TASKS

log = get_logger(__name__)


def look_for_tasks(stop: threading.Event) -> None:
    """Begin to work on background tasks if there are any, or let the engine do it; never raises, but logs."""
    if stop.is_set():
        return
    try:
        init_db()
        if uses_queues():
            _defer()
        else:
            TASKS.look(stop)
    except Exception as error:
        log.warning("background tasks cannot be looked for", reason=error_text(error))


def _defer() -> None:
    from ..storage.deferral import defer_background  # needs an optional package

    with get_db_session() as session:
        if tasks.has_free_task(session):
            defer_background(session)

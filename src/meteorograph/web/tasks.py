"""``/api/tasks``: long work that the service does in the background."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, g
from werkzeug.exceptions import Conflict, NotFound

from ..background import tasks
from ..model.states import TokenScope
from ..storage.engine import get_db_session
from ..storage.models import BackgroundTask
from . import params
from .access import needs_scope
from .task_objects import task_object

blueprint = Blueprint("tasks", __name__)


@blueprint.get("/api/tasks")
def listing() -> dict[str, Any]:
    """The background tasks, newest first."""
    params.refuse_unknown(("state", "limit", "cursor"))
    limit, state, after = params.limit(), params.word("state", tasks.TASK_STATES), params.after_id()
    with get_db_session(read_only=True) as session:
        found, following = tasks.list_tasks(session, limit, state=state, after=after)
    cursor = following and params.cursor(str(following))
    return {"data": [task_object(task) for task in found], "next": cursor, "request_id": g.request_id}


@blueprint.post("/api/tasks/<int(max=2147483647):id>/cancel")
@needs_scope(TokenScope.ADMIN)
def cancel(id: int) -> dict[str, Any]:
    """Cancel a task that waits or runs; what it has stored stays."""
    params.refuse_unknown(())
    with get_db_session() as session:
        is_cancelled = tasks.cancel(session, id)
        task = session.get(BackgroundTask, id)
        if task is None:
            raise NotFound(f"There is no background task {id}.")
        if not is_cancelled:
            raise Conflict(f"The background task {id} has ended already: it is {task.state}.")
        return {"task": task_object(task), "request_id": g.request_id}

"""The background tasks in the database: a lease and a fencing token say which process works on one."""

from __future__ import annotations

import json
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import CursorResult, and_, delete, func, or_, select, update
from sqlalchemy.orm import Session

from ..model import clock
from ..model.states import TaskState
from ..storage.engine import get_db_session, get_engine
from ..storage.lease_clock import lease_offset
from ..storage.leases import LEASE_LENGTH
from ..storage.models import BackgroundTask
from ..storage.process import process_name

#: The states of tasks, for lists.
TASK_STATES: Final = tuple(state.value for state in TaskState)

#: A task is given up when so many attempts in a row ended with the loss of their process or its database.
MAX_DEATHS: Final = 3

#: How long ended tasks are listed.
_KEPT: Final = timedelta(days=30)

_OPEN: Final = (TaskState.PENDING, TaskState.RUNNING)


@dataclass(frozen=True, slots=True)
class TaskClaim:
    """A task that this process works on."""

    id: int
    kind: str
    arguments: Mapping[str, Any]
    #: Up to where earlier attempts have done it.
    position: str | None
    counts: Mapping[str, int]
    created_at: datetime
    #: The fencing token: an update with an older one changes nothing.
    token: int


def this_host() -> str | None:
    """The name of this host for tasks whose files are on it; None with SQLite, whose processes are all on one machine."""
    return None if get_engine().dialect.name == "sqlite" else socket.gethostname()


def add_task(session: Session, kind: str, arguments: Mapping[str, Any], *, host: str | None) -> int:
    """Add a task for any process, or for those of one host; gives its id."""
    task = BackgroundTask(kind=kind, arguments=json.dumps(arguments), host=host, state=TaskState.PENDING, created_at=clock.now())
    session.add(task)
    session.flush()
    return task.id


def has_free_task(session: Session) -> bool:
    """Whether this process may take a task."""
    return session.scalar(select(BackgroundTask.id).where(_is_free(_lease_now(session))).limit(1)) is not None


def take_task() -> TaskClaim | None:
    """Take the oldest task that this process may take; None if there is none, or another process was first."""
    with get_db_session() as session:
        now = _lease_now(session)
        free = select(BackgroundTask).where(_is_free(now)).order_by(BackgroundTask.id).limit(1)
        task = session.scalar(free.with_for_update(skip_locked=True))
        if task is None:
            return None
        died = task.state == TaskState.RUNNING
        if died and task.deaths + 1 >= MAX_DEATHS:
            task.state, task.holder, task.lease_expires_at, task.ended_at = TaskState.FAILED, None, None, clock.now()
            task.message = (
                f"given up: {MAX_DEATHS} attempts ended without a result, because their process or its database was lost"
            )
            return None
        mine = update(BackgroundTask).where(BackgroundTask.id == task.id, BackgroundTask.attempts == task.attempts)
        values = {
            "state": TaskState.RUNNING,
            "holder": process_name(),
            "lease_expires_at": now + LEASE_LENGTH,
            "attempts": task.attempts + 1,
            "deaths": task.deaths + died,
            "retry_at": None,
            "message": None,
        }
        if not _change(session, mine.where(_is_free(now)), **values):
            return None
        arguments, counts = json.loads(task.arguments), json.loads(task.counts)
        return TaskClaim(task.id, task.kind, arguments, task.position, counts, task.created_at, task.attempts + 1)


def renew(claim: TaskClaim, done: int, total: int | None) -> bool:
    """Extend the lease of a task, and record how far it is; False if another process has it, or it was cancelled."""
    with get_db_session() as session:
        until = _lease_now(session) + LEASE_LENGTH
        return _change(session, _held(claim), lease_expires_at=until, done=done, total=total)


def record_position(claim: TaskClaim, position: str | None, counts: Mapping[str, int]) -> bool:
    """Record up to where a task is done; False if another process has it, or it was cancelled."""
    with get_db_session() as session:
        return _change(session, _held(claim), position=position, counts=json.dumps(counts), deaths=0)


def give_back(claim: TaskClaim, message: str | None = None, retry_at: datetime | None = None) -> None:
    """Let any process go on with a task, at once or later."""
    with get_db_session() as session:
        values = {"state": TaskState.PENDING, "message": message and message[:500], "retry_at": retry_at}
        _change(session, _held(claim), holder=None, lease_expires_at=None, **values)


def finish(claim: TaskClaim, error: str | None = None) -> None:
    """End a task of this process: it succeeded, or failed with ``error``."""
    with get_db_session() as session:
        state = TaskState.SUCCEEDED if error is None else TaskState.FAILED
        values = {"state": state, "message": error and error[:500], "ended_at": clock.now()}
        _change(session, _held(claim), holder=None, lease_expires_at=None, **values)


def cancel(session: Session, task_id: int) -> bool:
    """End a task that waits or runs; its process stops within seconds. False if there is none of that id."""
    still_open = update(BackgroundTask).where(BackgroundTask.id == task_id, BackgroundTask.state.in_(_OPEN))
    return _change(
        session, still_open, state=TaskState.CANCELLED, holder=None, lease_expires_at=None, ended_at=clock.now(), retry_at=None
    )


def list_tasks(
    session: Session, limit: int, *, state: str | None = None, after: int | None = None
) -> tuple[Sequence[BackgroundTask], int | None]:
    """The newest tasks, newest first, from before the id ``after``; with the cursor of the next page."""
    query = select(BackgroundTask)
    if state is not None:
        query = query.where(BackgroundTask.state == state)
    if after is not None:
        query = query.where(BackgroundTask.id < after)
    found = session.scalars(query.order_by(BackgroundTask.id.desc()).limit(limit + 1)).all()
    return found[:limit], found[limit - 1].id if len(found) > limit else None


def count_tasks(session: Session) -> dict[TaskState, int]:
    """The number of tasks in each state; ended ones are those of the last 30 days."""
    found = session.execute(select(BackgroundTask.state, func.count()).group_by(BackgroundTask.state))
    counts = {TaskState(state): number for state, number in found}
    return {state: counts.get(state, 0) for state in TaskState}


def delete_old_tasks(session: Session) -> None:
    """Delete the tasks that ended a month ago."""
    session.execute(delete(BackgroundTask).where(BackgroundTask.ended_at < clock.now() - _KEPT))


def _lease_now(session: Session) -> datetime:
    return clock.now() + lease_offset(session)


def _is_free(now: datetime) -> Any:
    waits = and_(
        BackgroundTask.state == TaskState.PENDING, or_(BackgroundTask.retry_at.is_(None), BackgroundTask.retry_at <= now)
    )
    is_dead = and_(BackgroundTask.state == TaskState.RUNNING, BackgroundTask.lease_expires_at <= now)
    is_here = or_(BackgroundTask.host.is_(None), BackgroundTask.host == socket.gethostname())
    return and_(or_(waits, is_dead), is_here)


def _held(claim: TaskClaim) -> Any:
    mine = (BackgroundTask.id == claim.id, BackgroundTask.attempts == claim.token)
    return update(BackgroundTask).where(*mine, BackgroundTask.state == TaskState.RUNNING)


def _change(session: Session, statement: Any, **values: Any) -> bool:
    result = session.execute(statement.values(**values), execution_options={"synchronize_session": False})
    assert isinstance(result, CursorResult)
    return result.rowcount > 0

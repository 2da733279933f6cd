"""Bounds the reads of a request: they end after some seconds, and on SQLite also when their client is gone."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final

from psycopg.errors import QueryCanceled
from sqlalchemy import text
from sqlalchemy.orm import Session

#: Steps of SQLite's virtual machine between two looks at the limit: about a millisecond.
_STEPS: Final = 20_000


class ReadLimit:
    """Ends reads after some seconds, or when ``is_gone`` says that nobody waits for them."""

    def __init__(self, seconds: float, is_gone: Callable[[], bool] = lambda: False) -> None:
        self._ends_at = time.monotonic() + seconds
        self._is_gone = is_gone

    def is_over(self) -> bool:
        """Whether reads must end."""
        return time.monotonic() >= self._ends_at or self._is_gone()

    def milliseconds(self) -> int:
        """The time that is left, at least a millisecond."""
        return max(1, int((self._ends_at - time.monotonic()) * 1000))


_limit: Final[ContextVar[ReadLimit | None]] = ContextVar("read_limit", default=None)


@contextmanager
def limit_reads(limit: ReadLimit) -> Iterator[None]:
    """Bound the read-only sessions within the block."""
    token = _limit.set(limit)
    try:
        yield
    finally:
        _limit.reset(token)


def is_interrupted(error: BaseException | None) -> bool:
    """Whether an error of a driver is that the limit of this context has ended a statement."""
    limit = _limit.get()
    return limit is not None and limit.is_over() and isinstance(error, sqlite3.OperationalError | QueryCanceled)


@contextmanager
def bounded(session: Session) -> Iterator[None]:
    """Bound the statements of a read-only session within the block, if this context has a limit."""
    limit = _limit.get()
    if limit is None:
        yield
        return
    connection = session.connection()
    if connection.dialect.name == "postgresql":
        session.execute(text(f"SET LOCAL statement_timeout = {limit.milliseconds()}"))
        yield
        return
    raw = connection.connection.driver_connection
    assert raw is not None
    raw.set_progress_handler(limit.is_over, _STEPS)
    try:
        yield
    finally:
        raw.set_progress_handler(None, 0)

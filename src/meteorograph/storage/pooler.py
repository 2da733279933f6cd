"""Poolers in front of PostgreSQL, such as PgBouncer: recognise one, and leave out what it cannot keep.

In transaction mode a pooler gives each transaction any of its connections to the server. Prepared statements, settings of a
session and temporary tables then stay behind on a connection that another client uses next.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from psycopg import errors
from sqlalchemy import Engine, event
from sqlalchemy.engine import URL, Connection, ExceptionContext

from ..config.database_options import PREPARE_PARAMETER, parse_prepare_threshold
from ..config.settings import Settings
from ..log_output import get_logger

log = get_logger(__name__)

#: Port of the transaction mode of hosted PostgreSQL.
_POOLER_PORT: Final = 6543

#: Executions after which the driver prepares a statement, unless the URL says otherwise.
_PREPARE_AFTER: Final = 5

#: What the server says of a prepared statement that another client prepared, or that is on another connection.
_PREPARED_ERRORS: Final = (errors.DuplicatePreparedStatement, errors.InvalidSqlStatementName)


@dataclass(slots=True)
class PoolerState:
    """What is known of the way to a database."""

    #: Whether there is a pooler; None before the first connection.
    is_pooled: bool | None
    #: After how many executions the driver prepares a statement; None for never.
    prepare_threshold: int | None
    #: Whether a setting or the URL says so, and nothing that is found out changes it.
    is_chosen: bool

    def recognise(self, why: str) -> None:
        """Switch prepared statements off from now on, unless a setting or the URL chose them."""
        is_news, self.is_pooled = not self.is_pooled, True
        if not self.is_chosen and (is_news or self.prepare_threshold is not None):
            self.prepare_threshold = None
            log.warning("a pooler is in front of the database; prepared statements are off", reason=why)


def pooler_state(url: URL, settings: Settings) -> tuple[URL, PoolerState]:
    """The URL without the parameter that only the driver knows, and the state before the first connection."""
    text = url.query.get(PREPARE_PARAMETER)
    url = url.difference_update_query([PREPARE_PARAMETER])
    if isinstance(text, str):
        return url, PoolerState(None, parse_prepare_threshold(text), is_chosen=True)
    if settings.db_prepared_statements is not None:
        return url, PoolerState(None, _PREPARE_AFTER if settings.db_prepared_statements else None, is_chosen=True)
    state = PoolerState(None, _PREPARE_AFTER, is_chosen=False)
    if url.port == _POOLER_PORT:
        state.recognise(f"port {_POOLER_PORT}")
    return url, state


def watch(engine: Engine, state: PoolerState, lock_timeout: float) -> None:
    """Keep the connections of an engine right for a pooler, as soon as one is recognised.

    Args:
        engine: An engine for PostgreSQL.
        state: What is known; it is changed.
        lock_timeout: How long a statement waits for a lock [s]; set for each transaction behind a pooler, and for each
            connection without one.
    """
    set_timeout = f"SET lock_timeout = '{lock_timeout:g}s'"
    set_local_timeout = set_timeout.replace("SET", "SET LOCAL", 1)

    @event.listens_for(engine, "connect")
    def _connect(connection: Any, _record: Any) -> None:
        connection.autocommit = True
        if state.is_pooled is None:
            # A pooler gives its clients numbers of its own in place of the server's.
            (pid,) = connection.execute("SELECT pg_backend_pid()", prepare=False).fetchone()
            if pid != connection.info.backend_pid:
                state.recognise("the server has another process id than the connection")
            state.is_pooled = bool(state.is_pooled)
        if not state.is_pooled:
            connection.execute(set_timeout, prepare=False)
        connection.autocommit = False

    @event.listens_for(engine, "checkout")
    def _checkout(connection: Any, _record: Any, _proxy: Any) -> None:
        connection.prepare_threshold = state.prepare_threshold

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        if state.is_pooled:
            connection.exec_driver_sql(set_local_timeout)

    @event.listens_for(engine, "handle_error")
    def _handle_error(context: ExceptionContext) -> None:
        if isinstance(context.original_exception, _PREPARED_ERRORS):
            state.recognise(type(context.original_exception).__name__)

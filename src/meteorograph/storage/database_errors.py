"""Errors of the database and its drivers: which of them mean that it does not take the work, and how to say so in plain words."""

from __future__ import annotations

import re
from typing import Final

import psycopg
from psycopg import errors as pg
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

#: What SQLite says → what we say. The first pattern that is found decides.
_SQLITE: Final = tuple(
    (re.compile(pattern), text)
    for pattern, text in (
        (r"unable to open database file", "its file cannot be opened"),
        (r"database (table |schema )?is locked", "another program holds its lock"),
        (r"attempt to write a readonly database", "it is read-only"),
        (r"database or disk is full", "its disk is full"),
        (r"disk I/O error", "its disk cannot be read or written"),
        (r"malformed", "its file is damaged"),
        (r"file is not a database", "its file is not a database"),
        (r"no such table: (?:main\.)?(\w+)", r"the table \1 is missing"),
        (r"no such column|has no column named", "its tables are not those of this version"),
        (r"out of memory", "there is too little memory"),
    )
)

#: Errors of PostgreSQL in which it does not take the work, whatever the statement is → what we say.
_POSTGRESQL: Final[dict[type[psycopg.Error], str]] = {
    pg.LockNotAvailable: "another program holds a lock for too long",
    pg.QueryCanceled: "a statement took too long",
    pg.ReadOnlySqlTransaction: "it is read-only",
    pg.InsufficientPrivilege: "its user lacks a permission",
    pg.UndefinedTable: "a table is missing",
    pg.UndefinedColumn: "its tables are not those of this version",
    pg.InvalidSchemaName: "its schema is missing",
    pg.DiskFull: "its disk is full",
    pg.OutOfMemory: "it has too little memory",
    pg.TooManyConnections: "it has too many connections",
    pg.DataCorrupted: "its files are damaged",
    pg.IndexCorrupted: "its files are damaged",
    pg.IoError: "its disk cannot be read or written",
    pg.AdminShutdown: "its server is shutting down",
    pg.CrashShutdown: "its server is restarting after a crash",
    pg.CannotConnectNow: "its server is starting or stopping",
    pg.DeadlockDetected: "two transactions waited for each other",
    pg.SerializationFailure: "another transaction was faster",
    pg.DuplicatePreparedStatement: "a pooler in front of it mixed the prepared statements of its clients",
    pg.InvalidSqlStatementName: "a pooler in front of it mixed the prepared statements of its clients",
    pg.IdleInTransactionSessionTimeout: "a transaction took too long",
}

#: What the driver says when no connection is made, in which case it has no class of its own → what we say.
_CONNECTION: Final = tuple(
    (re.compile(pattern), text)
    for pattern, text in (
        (r"password authentication failed|no password supplied", "it refuses the user name or the password"),
        (r'database "[^"]*" does not exist', "the server has no database of this name"),
        (r"not currently accepting connections", "the server takes no connection to it"),
        (r"[Cc]onnection refused", "its server refused the connection"),
        (r"failed to resolve host|could not translate host|[Nn]ame or service not known", "the name of its server is unknown"),
        (r"server login has been failing|server_login_retry|pgbouncer cannot connect", "the pooler cannot reach its server"),
        (r"[Tt]imeout|timed out", "its server does not answer in time"),
        (r"too many (clients|connections)|remaining connection slots", "it has too many connections"),
        (r"starting up|shutting down|recovery mode", "its server is starting or stopping"),
        (r"No such file or directory", "its server is not running"),
        (r"terminating connection|server closed the conn|connection is (lost|closed|bad)", "its server ended the connection"),
    )
)

#: Reasons that are over as soon as the database can be read again.
UNREACHABLE: Final = frozenset(
    (
        *(text for _, text in _CONNECTION),
        *(_POSTGRESQL[kind] for kind in (pg.AdminShutdown, pg.CrashShutdown, pg.CannotConnectNow, pg.TooManyConnections)),
        "its file is gone",
        "its file cannot be opened",
    )
)


def is_unavailable(error: SQLAlchemyError) -> bool:
    """Whether an error means that the database does not take the work, and not that a statement or a row is wrong."""
    if isinstance(error, PoolTimeoutError):
        return True
    if not isinstance(error, DBAPIError):
        return False
    cause = error.orig
    if isinstance(cause, psycopg.Error):
        return isinstance(cause, (psycopg.OperationalError, *_POSTGRESQL))
    # SQLite says "database error" of a damaged file, and "operational error" of all other faults.
    return type(cause).__name__ in ("OperationalError", "DatabaseError")


def is_disconnect(error: SQLAlchemyError) -> bool:
    """Whether a connection that was in use has ended: not one that could not be made."""
    return isinstance(error, DBAPIError) and error.connection_invalidated


def error_text(error: BaseException) -> str:
    """The text of any error on one line; of an error of the database without the statement and the words of SQLAlchemy."""
    return f"the database refused a statement: {plain_reason(error)}" if isinstance(error, SQLAlchemyError) else str(error)


def plain_reason(error: BaseException) -> str:
    """What is wrong with the database, in a few words and without the statement."""
    if isinstance(error, PoolTimeoutError):
        return "all connections of this process are in use"
    cause = getattr(error, "orig", None) or error
    text = " ".join(str(cause).split())
    if isinstance(cause, psycopg.Error):
        return _postgresql_reason(cause, text)
    for pattern, reason in _SQLITE:
        if found := pattern.search(text):
            return found.expand(reason)
    return _shortened(text)


def _postgresql_reason(cause: psycopg.Error, text: str) -> str:
    for kind, reason in _POSTGRESQL.items():
        if isinstance(cause, kind):
            name = re.search(r'"([\w.]+)"', text) if kind is pg.UndefinedTable else None
            return f"the table {name[1]} is missing" if name else reason
    for pattern, reason in _CONNECTION:
        if pattern.search(text):
            return reason
    return _shortened(text)


def _shortened(text: str) -> str:
    """A message of a driver without the statement and the address of SQLAlchemy's pages, which it may contain."""
    return re.split(r"\s*(?:\[SQL:|\(Background on this error|LINE \d+:|CONTEXT:)", text)[0][:300]

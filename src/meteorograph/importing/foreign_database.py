"""Reads the SQLite databases of other programs without changing them."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..errors import HistoryFileError


@contextmanager
def open_read_only(path: Path) -> Iterator[sqlite3.Connection]:
    """Context with a database in one read transaction, with what its write-ahead log holds.

    Raises:
        HistoryFileError: It cannot be read.
    """
    database = None
    try:
        database = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, isolation_level=None)
        database.row_factory = sqlite3.Row
        database.execute("BEGIN")
        yield database
    except sqlite3.Error as error:
        hint = "; with a file ending in -wal beside it, its folder must be writable" if "unable to open" in str(error) else ""
        raise HistoryFileError(f"the database cannot be read: {error}{hint}") from None
    finally:
        if database is not None:
            database.close()


def columns_of(database: sqlite3.Connection, table: str) -> frozenset[str]:
    """Names of the columns of a table; empty if there is none of this name."""
    return frozenset(row["name"] for row in database.execute("SELECT name FROM pragma_table_info(?)", (table,)))

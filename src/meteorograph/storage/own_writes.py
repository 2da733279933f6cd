"""The sessions of this process that hold the write lock of a SQLite database: who waits for them waits for work in progress."""

from __future__ import annotations

import os
from typing import Final


class OwnWrite:
    """A writing session of this process."""


class OwnWrites:
    """Which databases this process writes to now. Thread-safe: it uses atomic operations only."""

    def __init__(self) -> None:
        self._databases: dict[OwnWrite, str] = {}

    def add(self, database: str, session: OwnWrite) -> None:
        """Note that a session has the lock."""
        self._databases[session] = database

    def discard(self, session: OwnWrite) -> None:
        """Note that a session has ended."""
        self._databases.pop(session, None)

    def is_writing(self, database: str) -> bool:
        """Whether a session has the lock of a database."""
        return database in list(self._databases.values())

    def reset(self) -> None:
        """Forget everything: threads do not survive a fork."""
        self._databases.clear()


#: Those of this process.
OWN_WRITES: Final = OwnWrites()

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=OWN_WRITES.reset)

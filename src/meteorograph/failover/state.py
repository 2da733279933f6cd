"""What a process remembers about the database and its fallback database, in one place."""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

#: Provider, window and start of its period.
ChargeKey = tuple[str, str, datetime]


@dataclass(slots=True)
class FailoverState:
    """The state of one process. ``reset_state`` replaces it."""

    #: The database is not tried before this instant of the monotonic clock [s].
    away_until: float = float("-inf")
    #: Calls that this process charged to the database and that the fallback database does not know yet.
    unreported: dict[ChargeKey, int] = field(default_factory=dict)
    #: Guards ``unreported``.
    unreported_lock: threading.Lock = field(default_factory=threading.Lock)
    #: Held while charges of the fallback database are moved to the database.
    sync_charges_lock: threading.Lock = field(default_factory=threading.Lock)
    #: Held while rows of the fallback database are moved to the database.
    sync_back_lock: threading.Lock = field(default_factory=threading.Lock)
    #: Fallback databases of earlier versions that are to be brought back, and whether all of them were found.
    older_files: list[Path] = field(default_factory=list)
    has_all_older_files: bool = False
    #: Names of the fallback databases of other versions that the log has mentioned.
    mentioned_files: set[str] = field(default_factory=set)
    #: Why the database does not take the work; None while it does.
    away_reason: str | None = None
    #: Whether work was done in the fallback database since.
    uses_fallback: bool = False
    #: Why the last snapshot failed; None if it did not.
    snapshot_failure: str | None = None
    #: For each pair of databases, the signature of the locations in the last snapshot.
    snapshots: dict[str, tuple[Any, ...]] = field(default_factory=dict)
    #: The sites whose heartbeats the fallback database has.
    sites: frozenset[str | None] = frozenset()

    def note_back(self) -> None:
        """The database takes the work again."""
        self.away_reason, self.uses_fallback = None, False


_state = FailoverState()


def get_state() -> FailoverState:
    """The state of this process."""
    return _state


def reset_state() -> None:
    """Forget everything. For tests, and for a child after a fork: another thread may hold the locks of its parent.

    The parent keeps its unreported charges and reports them itself.
    """
    global _state
    _state = FailoverState()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=reset_state)

"""What this process knows of its own work, for ``/health``: its start, its ticks, its heartbeats, its audit."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from typing import Final

#: How long after its start a process counts as starting at most [s].
START_SECONDS: Final = 60.0

#: How long the database may take for a heartbeat before it counts as one that does not take the work [s].
HEARTBEAT_PATIENCE_SECONDS: Final = 10.0


@dataclass(slots=True)
class ServiceState:
    """The state of one process. Times are of the monotonic clock."""

    #: When the scheduler was started; None before that.
    started_at: float | None = None
    #: Whether a tick has ended since.
    has_ticked: bool = False
    #: Why the last tick collected nothing; None if it did its work.
    tick_failure: str | None = None
    #: Since when a heartbeat waits for the database; None if none does.
    heartbeat_since: float | None = None
    #: Why the last heartbeat was not stored.
    heartbeat_failure: str | None = None
    #: Held while a heartbeat is stored: the next one does not queue behind it.
    heartbeat_lock: threading.Lock = field(default_factory=threading.Lock)
    #: Slots without an account that the last audit has found.
    unaccounted: int = 0
    #: Whether an audit has ended since the start.
    has_audited: bool = False
    #: Why the last backup failed; None if it did not.
    backup_failure: str | None = None
    #: What is wrong with the files of sealed months, or why old rows could not be sealed; None if nothing is.
    archive_failure: str | None = None

    def reset(self) -> None:
        """Forget everything; also for a child after a fork, since another thread of the parent may have held the lock."""
        self.started_at, self.has_ticked, self.tick_failure = None, False, None
        self.heartbeat_since, self.heartbeat_failure, self.unaccounted = None, None, 0
        self.backup_failure, self.archive_failure, self.has_audited = None, None, False
        self.heartbeat_lock = threading.Lock()

    @property
    def is_starting(self) -> bool:
        """Whether the scheduler was started within the last minute."""
        return self.started_at is not None and time.monotonic() - self.started_at < START_SECONDS

    def heartbeat_problem(self) -> str | None:
        """Why the database does not take the heartbeats of this process; None if it does."""
        since = self.heartbeat_since
        waited = time.monotonic() - since if since is not None else 0.0
        if waited > HEARTBEAT_PATIENCE_SECONDS:
            return f"it has not taken a heartbeat for {waited:.0f} s"
        return self.heartbeat_failure


#: The state of this process.
SERVICE_STATE: Final = ServiceState()

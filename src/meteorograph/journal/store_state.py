"""Whether this process can use the journal store, for ``/health``."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final


@dataclass(slots=True)
class StoreState:
    """The state of one process."""

    #: Why the store cannot be used; None if it can.
    failure: str | None = None
    #: Since when.
    since: datetime | None = None

    def fail(self, reason: str, now: datetime) -> bool:
        """Remember a failure; gives whether it is the first one."""
        is_first = self.failure is None
        self.failure = reason
        self.since = now if is_first else self.since
        return is_first

    def recover(self) -> bool:
        """Forget the failure; gives whether there was one."""
        had_failed = self.failure is not None
        self.failure = self.since = None
        return had_failed


#: The state of this process.
STORE_STATE: Final = StoreState()

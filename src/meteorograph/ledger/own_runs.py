"""The runs that this process works on. Their leases may run out while the process is starved or suspended: that frees them for
other processes, but never for the other threads of this one, which would make the same calls again.
"""

from __future__ import annotations

import os
import threading
from datetime import datetime
from typing import Any, Final

from sqlalchemy import and_, not_, or_

from ..storage.models import Run

#: Schedule and instant of a slot.
SlotKey = tuple[str, datetime]


class HeldSlot:
    """The right of one thread of this process to work on a slot.

    Args:
        registry: Where it is held.
        key: The slot.
    """

    def __init__(self, registry: OwnRuns, key: SlotKey) -> None:
        self._registry = registry
        self.key = key

    def release(self) -> None:
        """Let other threads have the slot; does nothing the second time."""
        self._registry.release(self)


class OwnRuns:
    """The slots that threads of this process work on, in whichever database. Thread-safe."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget everything: threads do not survive a fork."""
        self._lock = threading.Lock()
        self._held: dict[SlotKey, HeldSlot] = {}

    def hold(self, schedule: str, due_at: datetime) -> HeldSlot | None:
        """Hold a slot; None if another thread works on it."""
        key = (schedule, due_at)
        with self._lock:
            if key in self._held:
                return None
            self._held[key] = HeldSlot(self, key)
            return self._held[key]

    def release(self, held: HeldSlot) -> None:
        """Release a slot, unless another thread has held it since."""
        with self._lock:
            if self._held.get(held.key) is held:
                del self._held[held.key]

    def are_not_own(self, but: SlotKey | None = None) -> Any:
        """The runs that no thread of this process works on; ``but`` is the slot of the calling thread."""
        with self._lock:
            keys = [key for key in self._held if key != but]
        return not_(or_(False, *(and_(Run.schedule == name, Run.due_at == due_at) for name, due_at in keys)))


#: The runs of this process.
OWN_RUNS: Final = OwnRuns()

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=OWN_RUNS.reset)

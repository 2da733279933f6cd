"""The calls of runs: each run tells those of all attempts, also of one that lost its lease or its database."""

from __future__ import annotations

import os
import threading
from collections import Counter
from collections.abc import Callable
from typing import Any, Final

from sqlalchemy import update

from ..storage.engine import get_db_session
from ..storage.models import Run
from .conditions import Claim, row_count
from .own_runs import SlotKey


class UnrecordedCalls:
    """Calls of interrupted attempts of this process that no run tells yet. Thread-safe."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget everything: after a fork the parent records them."""
        self._lock = threading.Lock()
        self._calls: Counter[SlotKey] = Counter()

    def add(self, key: SlotKey, calls: int) -> None:
        """Remember calls until the database answers."""
        with self._lock:
            self._calls[key] += calls

    def record(self) -> None:
        """Add them to their runs, in the database.

        Raises:
            StoreError: The database cannot be reached; what is not recorded is kept.
        """
        with self._lock:
            for (schedule, due_at), calls in list(self._calls.items()):
                _add_calls(calls, Run.schedule == schedule, Run.due_at == due_at)
                del self._calls[schedule, due_at]


#: Those of this process.
UNRECORDED_CALLS: Final = UnrecordedCalls()


class CallRecorder:
    """Adds the calls of one attempt to its run, as they are made. Thread-safe.

    Args:
        claim: The run.
        count: Gives the calls that the attempt has made so far.
    """

    def __init__(self, claim: Claim, count: Callable[[], int]) -> None:
        self._claim = claim
        self._count = count
        self._recorded = 0
        self._lock = threading.Lock()

    def record(self) -> None:
        """Add the calls since the last time.

        Raises:
            StoreError: The database cannot be reached; they are added the next time.
        """
        with self._lock:
            calls = self._count() - self._recorded
            if calls and _add_calls(calls, Run.id == self._claim.run_id):
                self._recorded += calls

    def end(self) -> None:
        """Leave what could not be recorded to the next tick that has the database."""
        with self._lock:
            calls = self._count() - self._recorded
            self._recorded += calls
        if calls:
            UNRECORDED_CALLS.add((self._claim.schedule, self._claim.due_at), calls)


def _add_calls(calls: int, *is_run: Any) -> bool:
    with get_db_session() as session:
        added = update(Run).where(*is_run).values(calls=Run.calls + calls)
        return row_count(session.execute(added.execution_options(synchronize_session=False))) > 0


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=UNRECORDED_CALLS.reset)

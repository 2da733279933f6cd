"""Counts of what happens, added up in the database, so that every process shows the same totals and a restart resets none."""

from __future__ import annotations

import os
import threading
from collections import Counter
from enum import StrEnum
from typing import Final

from sqlalchemy.orm import Session

from .engine import get_db_session
from .models import CounterTotal
from .upsert import insert_or_add


class Count(StrEnum):
    """What is counted, by provider; with the kinds of each."""

    #: Calls that were charged.
    CALLS = "calls"
    #: Calls that failed. Kind: ``retryable``, ``quota``, ``permanent`` or ``payload``.
    ERRORS = "errors"
    #: Calls that were made again.
    RETRIES = "retries"
    #: Rows that were written. Kind: their origin.
    ROWS = "rows"
    #: Quantities whose value is from another provider than the first one. Kind: the quantity, or ``all``.
    FALLBACKS = "fallbacks"
    #: Attempts to deliver a message of an alert, by channel. Kind: ``sent``, ``failed`` or ``given_up``.
    DELIVERIES = "deliveries"


class Counters:
    """Counts of this process that are not in the database yet. Thread-safe."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget everything: after a fork the parent records it."""
        self._lock = threading.Lock()
        self._pending: Counter[tuple[str, str, str]] = Counter()

    def add(self, count: Count, provider: str, kind: str = "", by: int = 1) -> None:
        """Count something."""
        with self._lock:
            self._pending[count, provider, kind] += by

    def record(self) -> None:
        """Add the pending counts to the database; without the database they stay pending.

        Raises:
            StoreError: The database cannot be reached.
        """
        with self._lock:
            pending, self._pending = self._pending, Counter()
        if not pending:
            return
        rows = [
            {"name": str(name), "provider": provider, "kind": kind, "value": value}
            for (name, provider, kind), value in sorted(pending.items())  # in one order, so that processes do not deadlock
        ]
        try:
            with get_db_session() as session:
                insert_or_add(session, CounterTotal, rows, "value")
        except BaseException:
            with self._lock:
                self._pending.update(pending)
            raise


def read_totals(session: Session) -> list[CounterTotal]:
    """All totals."""
    return session.query(CounterTotal).order_by(CounterTotal.name, CounterTotal.provider, CounterTotal.kind).all()


#: Those of this process.
COUNTERS: Final = Counters()

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=COUNTERS.reset)

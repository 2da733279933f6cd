"""Leases: the right of one process at a time to do a job. A lease is a row in the database that expires unless renewed.

Leases go by the clock of the database where it has one (``lease_clock``).
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import CursorResult, or_, update

from ..model import clock
from .engine import get_db_session
from .lease_clock import lease_offset
from .models import Lease
from .process import process_name
from .upsert import insert_or_ignore

#: How long a lease lasts unless it is renewed.
LEASE_LENGTH: Final = timedelta(seconds=60)

#: How often long work renews its lease [s].
_RENEW_SECONDS: Final = LEASE_LENGTH.total_seconds() / 4


def take_lease(name: str, now: datetime) -> bool:
    """Take a lease; False if another process holds it."""
    with get_db_session() as session:
        now += lease_offset(session)  # before the row is waited for: a lease that ends meanwhile is not free
        insert_or_ignore(session, Lease, [{"name": name, "holder": None, "expires_at": None}])
        free = or_(Lease.expires_at.is_(None), Lease.expires_at <= now)
        return _extend(session, update(Lease).where(Lease.name == name, free), now + LEASE_LENGTH)


def renew_lease(name: str, now: datetime) -> bool:
    """Renew a lease of this process; False if another process has taken it."""
    with get_db_session() as session:
        held = update(Lease).where(Lease.name == name, Lease.holder == process_name())
        return _extend(session, held, now + lease_offset(session) + LEASE_LENGTH)


def release_lease(name: str) -> None:
    """Release a lease of this process."""
    with get_db_session() as session:
        session.execute(
            update(Lease).where(Lease.name == name, Lease.holder == process_name()).values(holder=None, expires_at=None),
            execution_options={"synchronize_session": False},
        )


def _extend(session: Any, statement: Any, until: datetime) -> bool:
    result = session.execute(
        statement.values(holder=process_name(), expires_at=until), execution_options={"synchronize_session": False}
    )
    assert isinstance(result, CursorResult)
    return result.rowcount > 0


@dataclass(slots=True)
class LeasedWork:
    """Long work under a lease of this process, and when it must end."""

    lease: str
    stop: threading.Event
    #: By the monotonic clock [s].
    ends_at: float
    _renewed_at: float = 0.0

    def must_end(self) -> bool:
        """Whether the time is over, or another process has the lease; renews it."""
        if self.stop.is_set() or time.monotonic() >= self.ends_at:
            return True
        if time.monotonic() - self._renewed_at < _RENEW_SECONDS:
            return False
        self._renewed_at = time.monotonic()
        return not renew_lease(self.lease, clock.now())

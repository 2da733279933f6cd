"""What one process at a time may do: a claim in the database that runs out unless it is renewed."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import CursorResult, or_, update

from .engine import get_db_session
from .models import Lease
from .process import process_name
from .upsert import insert_or_ignore

#: How long a claim lasts without a sign of life.
LEASE_LENGTH: Final = timedelta(seconds=60)


def take_lease(name: str, now: datetime) -> bool:
    """Claim it; False when another process has it."""
    with get_db_session() as session:
        insert_or_ignore(session, Lease, [{"name": name, "holder": None, "expires_at": None}])
        free = or_(Lease.expires_at.is_(None), Lease.expires_at <= now)
        return _changed(session, update(Lease).where(Lease.name == name, free), now + LEASE_LENGTH)


def renew_lease(name: str, now: datetime) -> bool:
    """Keep it longer; False when another process has taken it."""
    with get_db_session() as session:
        return _changed(session, update(Lease).where(Lease.name == name, Lease.holder == process_name()), now + LEASE_LENGTH)


def release_lease(name: str) -> None:
    """Give it back."""
    with get_db_session() as session:
        session.execute(
            update(Lease).where(Lease.name == name, Lease.holder == process_name()).values(holder=None, expires_at=None),
            execution_options={"synchronize_session": False},
        )


def _changed(session: Any, which: Any, until: datetime) -> bool:
    result = session.execute(
        which.values(holder=process_name(), expires_at=until), execution_options={"synchronize_session": False}
    )
    assert isinstance(result, CursorResult)
    return result.rowcount > 0

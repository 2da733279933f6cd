"""The clock of leases: that of the database where it has one, since the clocks of its hosts may differ."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from ..model import clock


def lease_offset(session: Session) -> timedelta:
    """How far the clock of leases is ahead of the clock of this process. SQLite has no other clock than that of the machine."""
    if session.get_bind().dialect.name != "postgresql" or clock.is_driven():
        return timedelta(0)
    before = clock.now()
    answer: datetime = session.scalars(select(func.clock_timestamp())).one()
    after = clock.now()
    # The answer was made between the two looks at the clock, however long it took.
    return min(answer - before, timedelta(0)) + max(answer - after, timedelta(0))

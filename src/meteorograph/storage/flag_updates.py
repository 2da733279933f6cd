"""Change the flags of stored rows, when later rows have shown that they were wrong or right."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import ColumnElement, bindparam, select, update
from sqlalchemy.orm import Session

from ..quality.check_batch import Streak, without_flag
from ..quality.row_checks import Flags
from .models import WeatherData
from .rollup_invalidation import LIVE_AGE, invalidate_rollups, lock_rollups
from .upsert import table_of

_table = table_of(WeatherData)
_SET_FLAGS: Final = (
    update(_table)
    .where(_table.c.location_id == bindparam("location"), _table.c.due_at == bindparam("slot"))
    .values(flags=bindparam("new_flags"))
)


def change_flags(
    session: Session,
    location_id: int,
    condition: ColumnElement[bool],
    change: Callable[[Mapping[str, Any]], Flags],
    now: datetime,
) -> int:
    """Change the flags of the rows of a location that meet a condition, and delete the rollups of their days.

    Args:
        session: Session of the transaction.
        location_id: The location.
        condition: Condition on the columns of ``WeatherData``.
        change: Gives the new flags of a row.
        now: The time (aware UTC).

    Returns:
        The number of rows with other flags than before.
    """
    lock_rollups(session, shared=True)  # before a row is read: month_order moves rows, and an update of a moved row is lost
    query = select(_table).where(_table.c.location_id == location_id, condition).order_by(_table.c.due_at)
    changed: list[dict[str, Any]] = []
    for values in session.execute(query).all():
        row = dict(zip(_table.c.keys(), values, strict=True))
        flags = change(row)
        if flags != (row["flags"] or {}):
            changed.append({"location": location_id, "slot": row["due_at"], "new_flags": flags or None})
    if changed:
        session.connection().execute(_SET_FLAGS, changed)
        # A process with a wrong clock may have rolled up days of the future, too.
        rows = [{"location_id": location_id, "due_at": min(row["slot"], now)} for row in changed]
        invalidate_rollups(session, rows, now + LIVE_AGE + timedelta(seconds=1))
    return len(changed)


def flag_streaks(session: Session, streaks: Sequence[Streak], now: datetime) -> None:
    """Add the flags of streaks to their stored rows."""
    for streak in streaks:
        is_in_streak = (_table.c.due_at >= streak.start) & (_table.c.due_at < streak.end)
        change_flags(session, streak.location_id, is_in_streak, streak.flags_of, now)


def remove_flag(session: Session, location_id: int, due_at: datetime, quantity: str, flag: str, now: datetime) -> None:
    """Remove a flag of a value."""

    is_row = _table.c.due_at == due_at
    change_flags(session, location_id, is_row, lambda row: without_flag(row["flags"] or {}, quantity, flag), now)

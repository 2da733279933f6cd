"""Stop 3 of the walk: takes a provider's account and a number of calls, gives how many may be made, or when more may.

One row per account and window in the database, so that the count survives restarts and holds across processes. Calls are
charged before they are made and never refunded, except what is left of a block when its run ends. Windows are the provider's
calendar ones, in UTC.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import case, select, update
from sqlalchemy.orm import Session

from .db import get_db_session
from .tables import Quota
from .upsert import insert_or_ignore

#: The windows that an account may have, shortest first.
WINDOWS: Final = ("minute", "hour", "day", "month")

#: Calls of a window that the schedule leaves to collection on demand: a twentieth, fifty at most.
RESERVE_PART: Final = 20
RESERVE_MOST: Final = 50


@dataclass(frozen=True, slots=True)
class Grant:
    """Calls that may be made now; with none, ``retry_at`` is when there will be some."""

    calls: int
    retry_at: datetime | None = None
    #: Window → start of the period that was charged.
    periods: Mapping[str, datetime] = field(default_factory=dict)

    @property
    def ends_at(self) -> datetime | None:
        """When the first of the periods ends, and what is left should no longer be used; None without a quota."""
        return min((period_end(window, start) for window, start in self.periods.items()), default=None)


@dataclass(frozen=True, slots=True)
class Usage:
    """What is spent of one window."""

    window: str
    limit: int
    used: int
    resets_at: datetime


def period_start(window: str, now: datetime) -> datetime:
    """When the current period of a window began."""
    match window:
        case "minute":
            return now.replace(second=0, microsecond=0)
        case "hour":
            return now.replace(minute=0, second=0, microsecond=0)
        case "day":
            return now.replace(hour=0, minute=0, second=0, microsecond=0)
        case _:
            return now.replace(day=1, hour=0, minute=0, second=0, microsecond=0)


def period_end(window: str, now: datetime) -> datetime:
    """When the current period of a window ends, and the next one begins."""
    start = period_start(window, now)
    if window == "month":
        return (start + timedelta(days=32)).replace(day=1)
    return start + {"minute": timedelta(minutes=1), "hour": timedelta(hours=1), "day": timedelta(days=1)}[window]


def reserved(limit: int) -> int:
    """Calls of a window that only collection on demand may spend."""
    return min(limit // RESERVE_PART, RESERVE_MOST)


def spend(provider: str, limits: Mapping[str, int], wanted: int, now: datetime, *, on_demand: bool = False) -> Grant:
    """Charge up to ``wanted`` calls to every window of an account at once; gives how many were charged."""
    if not limits:
        return Grant(wanted)
    with get_db_session() as session:
        used = _locked(session, provider, limits, now)
        left = {window: limit - used[window].used - (0 if on_demand else reserved(limit)) for window, limit in limits.items()}
        calls = max(0, min(wanted, *left.values()))
        if calls:
            for row in used.values():
                row.used += calls
            return Grant(calls, periods={window: row.period_start for window, row in used.items()})
    empty = [window for window, count in left.items() if count <= 0]
    return Grant(0, max(period_end(window, used[window].period_start) for window in empty))


def give_back(provider: str, granted: Grant, calls: int) -> None:
    """Take back the charge of calls that were never made, where the period they were charged to still runs."""
    if not granted.periods or not calls:
        return
    with get_db_session() as session:
        for window, start in sorted(granted.periods.items()):  # in the order in which ``_locked`` takes the rows
            mine = update(Quota).where(Quota.provider == provider, Quota.window == window, Quota.period_start == start)
            left = case((Quota.used > calls, Quota.used - calls), else_=0)
            session.execute(mine.values(used=left).execution_options(synchronize_session=False))


def usage(session: Session, provider: str, limits: Mapping[str, int], now: datetime) -> list[Usage]:
    """What is spent of each window of an account."""
    rows = {row.window: row for row in session.scalars(select(Quota).where(Quota.provider == provider))}
    told = []
    for window, limit in limits.items():
        row = rows.get(window)
        current = row is not None and row.period_start >= period_start(window, now)
        start = row.period_start if row and current else period_start(window, now)
        told.append(Usage(window, limit, row.used if row and current else 0, period_end(window, start)))
    return told


def allowance(limit: int, used: int, now: datetime, slot: timedelta) -> int:
    """Calls of a small monthly quota that may be made in a slot, so that they are spread evenly over the month.

    What has not been used so far is not made up for at once: a slot gets twice its even share at most, and at least one.
    """
    usable = limit - reserved(limit)
    left, share = _even(usable, used, now, slot)
    return max(0, min(left, max(1, int(2 * share)), usable - used))


def is_behind(limit: int, used: int, now: datetime, slot: timedelta) -> bool:
    """Whether calls of a small monthly quota are left over from earlier slots."""
    left, share = _even(limit - reserved(limit), used, now, slot)
    return left > share + 1


def _even(usable: int, used: int, now: datetime, slot: timedelta) -> tuple[int, float]:
    """Of an even spread over the month: the calls that may still be made by now, and the part of one slot."""
    start, end = period_start("month", now), period_end("month", now)
    spread, share = usable * ((now - start) / (end - start)), usable * (slot / (end - start))
    return max(int(spread) + 1, int(spread + share)) - used, share


def _locked(session: Session, provider: str, limits: Mapping[str, int], now: datetime) -> dict[str, Quota]:
    """The account's rows for the current periods, held against other processes until the session ends.

    A clock that steps back finds the later period and goes on counting in it.
    """
    new = [{"provider": provider, "window": window, "period_start": period_start(window, now), "used": 0} for window in limits]
    insert_or_ignore(session, Quota, new)
    mine = select(Quota).where(Quota.provider == provider, Quota.window.in_(limits)).order_by(Quota.window)
    rows = {row.window: row for row in session.scalars(mine.with_for_update())}
    for window, row in rows.items():
        if row.period_start < period_start(window, now):
            row.period_start, row.used = period_start(window, now), 0
    return rows

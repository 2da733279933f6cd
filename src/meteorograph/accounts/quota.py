"""Stop 3 of the walk: takes a provider's account and a number of calls, gives how many may be made, or when more may.

One row per account and window in the database, so that the count survives restarts and holds across processes. Calls are
charged before they are made and never refunded, except what is left of a block when its run ends. Windows are the provider's
calendar ones, in its own zone. Collection on demand may spend all of them, the schedule leaves it a reserve, and filling of
gaps leaves both what they are still going to need.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from sqlalchemy import case, select, update
from sqlalchemy.orm import Session

from ..storage.engine import get_db_session
from ..storage.models import Quota
from ..storage.upsert import insert_or_ignore

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
    #: When the first of the periods ends, and what is left should no longer be used; None without a quota.
    ends_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Usage:
    """What is spent of one window."""

    window: str
    limit: int
    used: int
    resets_at: datetime


def period_start(window: str, now: datetime, zone: str = "UTC") -> datetime:
    """When the current period of a window began (aware UTC); days and months are those of the zone."""
    match window:
        case "minute":
            return now.replace(second=0, microsecond=0)
        case "hour":
            return now.replace(minute=0, second=0, microsecond=0)
    local = now.astimezone(ZoneInfo(zone)).replace(hour=0, minute=0, second=0, microsecond=0, fold=0)
    return (local if window == "day" else local.replace(day=1)).astimezone(UTC)


def period_end(window: str, now: datetime, zone: str = "UTC") -> datetime:
    """When the current period of a window ends, and the next one begins (aware UTC)."""
    start = period_start(window, now, zone)
    if window in ("minute", "hour"):
        return start + timedelta(**{f"{window}s": 1})
    # Into the middle of the next one: a day has 23 to 25 hours, a month 28 to 31 days and an hour more or less.
    return period_start(window, start + timedelta(hours=36) if window == "day" else start + timedelta(days=40), zone)


def reserve_of(limit: int) -> int:
    """Calls of a window that only collection on demand may spend."""
    return min(limit // RESERVE_PART, RESERVE_MOST)


def live_needs(needs: Mapping[str, float], now: datetime, zone: str = "UTC") -> dict[str, int]:
    """Calls that live collection is going to need before each window ends, for ``leave`` of ``spend``.

    Args:
        needs: Calls that it makes in a whole window, such as ``plan.Need.calls``. A minute and an hour count in full: nobody
            knows when in them it calls.
        now: The current instant.
        zone: The provider's zone.
    """
    left: dict[str, int] = {}
    for window, calls in needs.items():
        start, end = period_start(window, now, zone), period_end(window, now, zone)
        left[window] = math.ceil(calls * ((end - now) / (end - start)) if window in ("day", "month") else calls)
    return left


def spend(
    provider: str,
    limits: Mapping[str, int],
    wanted: int,
    now: datetime,
    *,
    on_demand: bool = False,
    least: int = 1,
    leave: Mapping[str, int] | None = None,
    zone: str = "UTC",
) -> Grant:
    """Charge up to ``wanted`` calls to every window of an account at once; gives how many were charged.

    Args:
        provider: Whose account.
        limits: Window → calls that it holds.
        wanted: Calls to charge at most.
        now: The current instant.
        on_demand: Whether the reserve may be spent too.
        least: Fewer than this are of no use, and none is charged then: one request may cost several calls.
        leave: Window → calls beyond the reserve that are left to others (``live_needs``).
        zone: Where the provider's days and months begin.
    """
    if not limits:
        return Grant(wanted)
    kept = {window: (0 if on_demand else reserve_of(limit)) + (leave or {}).get(window, 0) for window, limit in limits.items()}
    with get_db_session() as session:
        used = _locked(session, provider, limits, now, zone)
        left = {window: limit - used[window].used - kept[window] for window, limit in limits.items()}
        ends = {window: period_end(window, row.period_start, zone) for window, row in used.items()}
        calls = max(0, min(wanted, *left.values()))
        if calls >= least:
            for row in used.values():
                row.used += calls
            return Grant(calls, None, {window: row.period_start for window, row in used.items()}, min(ends.values()))
    return Grant(0, max(ends[window] for window, count in left.items() if count < least))


def give_back(provider: str, granted: Grant, calls: int) -> None:
    """Take back the charge of calls that were never made, where the period they were charged to still runs."""
    if not granted.periods or not calls:
        return
    with get_db_session() as session:
        for window, start in sorted(granted.periods.items()):  # in the order in which ``_locked`` takes the rows
            mine = update(Quota).where(Quota.provider == provider, Quota.window == window, Quota.period_start == start)
            left = case((Quota.used > calls, Quota.used - calls), else_=0)
            session.execute(mine.values(used=left).execution_options(synchronize_session=False))


def usage(session: Session, provider: str, limits: Mapping[str, int], now: datetime, zone: str = "UTC") -> list[Usage]:
    """What is spent of each window of an account."""
    rows = {row.window: row for row in session.scalars(select(Quota).where(Quota.provider == provider))}
    told = []
    for window, limit in limits.items():
        row = rows.get(window)
        current = row is not None and row.period_start >= period_start(window, now, zone)
        start = row.period_start if row and current else period_start(window, now, zone)
        told.append(Usage(window, limit, row.used if row and current else 0, period_end(window, start, zone)))
    return told


def _locked(session: Session, provider: str, limits: Mapping[str, int], now: datetime, zone: str) -> dict[str, Quota]:
    """The account's rows for the current periods, held against other processes until the session ends.

    A clock that steps back finds the later period and goes on counting in it.
    """
    starts = {window: period_start(window, now, zone) for window in limits}
    new = [{"provider": provider, "window": window, "period_start": start, "used": 0} for window, start in starts.items()]
    insert_or_ignore(session, Quota, new)
    mine = select(Quota).where(Quota.provider == provider, Quota.window.in_(limits)).order_by(Quota.window)
    rows = {row.window: row for row in session.scalars(mine.with_for_update())}
    for window, row in rows.items():
        if row.period_start < starts[window]:
            row.period_start, row.used = starts[window], 0
    return rows

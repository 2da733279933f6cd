"""Charge calls to the quotas of an account. Stop 3 of the walk: takes calls, gives how many are granted, or when more will be.

One row per account and window in the database, so that the count survives restarts and holds across processes. Calls are
charged before they are made and never refunded, except what is left of a block when its run ends, and calls that never left the
machine. Windows are the provider's calendar windows, in its own zone. Collection on demand may spend a whole window, the schedule
leaves it a reserve, and healing leaves both what they will still need.
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

from ..model.account import Account
from ..storage.engine import get_db_session, uses_other_database
from ..storage.models import Quota
from ..storage.upsert import insert_or_ignore
from .offline_quota import offline_limits

#: The windows that an account may have, shortest first.
WINDOWS: Final = ("minute", "hour", "day", "month")

#: Part of a window, and calls at most, that the schedule leaves to collection on demand: a twentieth, up to fifty.
RESERVE_DIVISOR: Final = 20
LARGEST_RESERVE: Final = 50


@dataclass(frozen=True, slots=True)
class Grant:
    """Calls that may be made now; with none, ``retry_at`` is when there will be some."""

    calls: int
    retry_at: datetime | None = None
    #: Window → start of the period that was charged.
    periods: Mapping[str, datetime] = field(default_factory=dict)
    #: When the first of the periods ends, and unused calls of the grant expire; None without a quota.
    ends_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Usage:
    """Calls spent of one window in its current period."""

    window: str
    limit: int
    used: int
    starts_at: datetime
    resets_at: datetime


def period_start(window: str, now: datetime, zone: str) -> datetime:
    """Start of the current period of a window (aware UTC); days and months are those of the zone."""
    match window:
        case "minute":
            return now.replace(second=0, microsecond=0)
        case "hour":
            return now.replace(minute=0, second=0, microsecond=0)
    local = now.astimezone(ZoneInfo(zone)).replace(hour=0, minute=0, second=0, microsecond=0, fold=0)
    return (local if window == "day" else local.replace(day=1)).astimezone(UTC)


def period_end(window: str, now: datetime, zone: str) -> datetime:
    """End of the current period of a window, and start of the next (aware UTC)."""
    start = period_start(window, now, zone)
    if window in ("minute", "hour"):
        return start + timedelta(**{f"{window}s": 1})
    # Into the middle of the next period: a day has 23 to 25 hours, a month 28 to 31 days and an hour more or less.
    return period_start(window, start + timedelta(hours=36) if window == "day" else start + timedelta(days=40), zone)


def reserve_of(limit: int) -> int:
    """Calls of a window that only collection on demand may spend."""
    return min(limit // RESERVE_DIVISOR, LARGEST_RESERVE)


def live_needs(needs: Mapping[str, float], now: datetime, zone: str) -> dict[str, int]:
    """Calls that live collection will need before each window ends, for ``leave`` of ``spend``.

    Args:
        needs: Calls that it makes in a whole window, such as ``WindowNeed.calls``. A minute and an hour count in full, because
            the moments of its calls in them are unknown.
        now: The current instant.
        zone: The provider's zone.
    """
    remaining: dict[str, int] = {}
    for window, calls in needs.items():
        start, end = period_start(window, now, zone), period_end(window, now, zone)
        remaining[window] = math.ceil(calls * ((end - now) / (end - start)) if window in ("day", "month") else calls)
    return remaining


#: How long to wait after a refusal if the period that is used up has ended by a clock that is not trusted.
WAIT_IN_DOUBT: Final = timedelta(seconds=1)

#: How far the clock of another process may be ahead: its period is used, so that nothing is charged to two periods.
MAX_PERIOD_LEAD: Final = timedelta(minutes=10)


def spend(
    account: Account,
    calls: int,
    now: datetime,
    *,
    on_demand: bool = False,
    least: int = 1,
    leave: Mapping[str, int] | None = None,
    is_clock_trusted: bool = True,
) -> Grant:
    """Charge up to ``calls`` calls to every window of an account at once.

    Args:
        account: The account to charge.
        calls: Calls to charge at most.
        now: The current instant.
        on_demand: Whether the reserve may be spent too.
        least: Where fewer calls than this remain, none is charged: one request may cost several calls.
        leave: Window → calls beyond the reserve that are left to others (``live_needs``).
        is_clock_trusted: Whether ``now`` may start a new day or month. If not, calls are charged to the last one.
    """
    limits = account.limits
    if not limits:
        return Grant(calls)
    kept = {window: (0 if on_demand else reserve_of(limit)) + (leave or {}).get(window, 0) for window, limit in limits.items()}
    with get_db_session() as session:
        rows = _lock_rows(session, account, now, is_clock_trusted=is_clock_trusted)
        if uses_other_database():
            limits = offline_limits(session, rows, limits)
        remaining = {window: limit - rows[window].used - kept[window] for window, limit in limits.items()}
        ends = {window: period_end(window, row.period_start, account.zone) for window, row in rows.items()}
        granted = max(0, min(calls, *remaining.values()))
        if granted >= least:
            for row in rows.values():
                row.used += granted
            # While the clock is not trusted, the period in use may have ended by that clock.
            ends_at = min((end for end in ends.values() if end > now), default=None)
            return Grant(granted, None, {window: row.period_start for window, row in rows.items()}, ends_at)
    retry_at = max(ends[window] for window, count in remaining.items() if count < least)
    return Grant(0, retry_at if retry_at > now else now + WAIT_IN_DOUBT)


def give_back(account: Account, grant: Grant, calls: int) -> None:
    """Remove the charge of calls that were never made, where the charged period still runs."""
    if not grant.periods or not calls:
        return
    with get_db_session() as session:
        for window, start in sorted(grant.periods.items()):  # the order in which ``_lock_rows`` locks the rows
            mine = update(Quota).where(Quota.provider == account.name, Quota.window == window, Quota.period_start == start)
            rest = case((Quota.used > calls, Quota.used - calls), else_=0)
            session.execute(mine.values(used=rest).execution_options(synchronize_session=False))


def raise_usage(session: Session, account: str, window: str, start: datetime, used: int) -> None:
    """Note that at least ``used`` calls were made in the period of a window that began at ``start``; later periods stay."""
    insert_or_ignore(session, Quota, [{"provider": account, "window": window, "period_start": start, "used": 0}])
    row = session.get_one(Quota, (account, window), with_for_update=True)
    if row.period_start < start:
        row.period_start, row.used = start, used
    elif row.period_start == start:
        row.used = max(row.used, used)


def usage(session: Session, account: Account, now: datetime) -> list[Usage]:
    """Calls spent of each window of an account, shortest window first."""
    rows = {row.window: row for row in session.scalars(select(Quota).where(Quota.provider == account.name))}
    windows = []
    for window, limit in account.limits.items():
        row = rows.get(window)
        current = row is not None and row.period_start >= period_start(window, now, account.zone)
        start = row.period_start if row and current else period_start(window, now, account.zone)
        windows.append(Usage(window, limit, row.used if row and current else 0, start, period_end(window, start, account.zone)))
    return windows


def _lock_rows(session: Session, account: Account, now: datetime, *, is_clock_trusted: bool) -> dict[str, Quota]:
    """The account's rows for the current periods, locked against other processes until the session ends.

    A process whose clock is a little behind uses the later period of the others. A period that is further ahead comes from a
    clock that was wrong: its calls are counted in the current period.
    """
    starts = {window: period_start(window, now, account.zone) for window in account.limits}
    new = [{"provider": account.name, "window": window, "period_start": start, "used": 0} for window, start in starts.items()]
    insert_or_ignore(session, Quota, new)
    mine = select(Quota).where(Quota.provider == account.name, Quota.window.in_(account.limits)).order_by(Quota.window)
    rows = {row.window: row for row in session.scalars(mine.with_for_update())}
    for window, row in rows.items():
        if row.period_start > now + MAX_PERIOD_LEAD:
            row.period_start = starts[window]
        elif row.period_start < starts[window] and (is_clock_trusted or window in ("minute", "hour")):
            row.period_start, row.used = starts[window], 0
    return rows

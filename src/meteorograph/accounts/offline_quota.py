"""The part of a quota that one site may spend while the database is away, so that all sites together stay within it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Final

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from ..storage.models import Heartbeat, Quota

#: Prefix of a window's name in the row of the fallback database that says how many of its calls the database knows.
SYNCED_PREFIX: Final = "began "

#: A process without a heartbeat for this long, before the newest one, does not count.
_SILENT: Final = timedelta(minutes=10)


def count_sites(session: Session) -> int:
    """The number of sites that collected when the database was last there; at least 1."""
    newest = session.scalar(select(func.max(Heartbeat.beat_at)))
    if newest is None:
        return 1
    alive = (Heartbeat.beat_at >= newest - _SILENT, Heartbeat.is_stopped.is_(False), Heartbeat.site.is_not(None))
    return max(1, session.scalar(select(func.count(Heartbeat.site.distinct())).where(*alive)) or 0)


def offline_limits(session: Session, rows: Mapping[str, Quota], limits: Mapping[str, int]) -> dict[str, int]:
    """Window → calls of its current period that may be charged in all, by the fallback database that ``session`` reads.

    What the database knew to be charged when it went away, and an equal share of the rest: of a period that began later, an
    equal share of all.
    """
    sites = count_sites(session)
    if sites == 1:
        return dict(limits)
    shares: dict[str, int] = {}
    for window, limit in limits.items():
        row = rows[window]
        synced = session.get(Quota, (row.provider, SYNCED_PREFIX + window))
        known = synced.used if synced is not None and synced.period_start == row.period_start else 0
        shares[window] = known + max(0, limit - known) // sites
    return shares

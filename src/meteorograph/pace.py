"""Whose turn it is with a provider whose month is too small for every slot: its calls are spread over month and locations."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from . import quota
from .db import get_db_session
from .ledger import Claim
from .values import Due


def left_out(limits: dict[str, dict[str, int]], claimed: Claim, due: Sequence[Due], now: datetime) -> dict[int, frozenset[str]]:
    """Which providers (of those in ``limits``) each location must do without in this slot, by location id.

    The turns go round the locations in the order of their ids, one place on for each call that the account has spent.
    """
    without: dict[int, set[str]] = {}
    for provider, windows in limits.items():
        if "month" not in windows:
            continue
        with get_db_session(read_only=True) as session:
            used = next(one.used for one in quota.usage(session, provider, windows, now) if one.window == "month")
        calls = quota.allowance(windows["month"], used, now, claimed.ends_at - claimed.due_at)
        for location in _others(due, first=used, count=calls):
            without.setdefault(location.id, set()).add(provider)
    return {location_id: frozenset(providers) for location_id, providers in without.items()}


def _others(due: Sequence[Due], *, first: int, count: int) -> Iterable[Due]:
    """All but ``count`` of the locations, counted from position ``first`` round the list."""
    if count >= len(due):
        return ()
    return (location for position, location in enumerate(due) if (position - first) % len(due) >= count)

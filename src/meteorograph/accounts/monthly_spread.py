"""Whose turn it is with a provider whose month is too small for every slot: its calls are spread over month and locations."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from sqlalchemy import select

from ..ledger.conditions import Claim
from ..model import schedule
from ..model.states import LocationState
from ..storage.engine import get_db_session
from ..storage.models import Location
from . import quota
from .quota import period_end, period_start, reserve_of


def allotted_locations(
    limits: Mapping[str, Mapping[str, int]], claimed: Claim, now: datetime, zones: Mapping[str, str] | None = None
) -> dict[str, frozenset[int]]:
    """The ids of the locations that may ask each provider (of those in ``limits`` that have a monthly quota) in this slot.

    In ``zones`` are those whose months do not begin in UTC.

    The turns go round the locations of the schedule in the order of their ids, one place on for each call that the account
    has spent. Calls left over from earlier slots go round slot by slot, so that a location that fails keeps no turn for good.
    """
    found = {}
    length = claimed.length
    for provider, windows in limits.items():
        if "month" not in windows:
            continue
        limit, zone = windows["month"], (zones or {}).get(provider, "UTC")
        with get_db_session(read_only=True) as session:
            used = next(one.used for one in quota.usage(session, provider, windows, now, zone) if one.window == "month")
        calls = allowance(limit, used, now, length, zone)
        behind = is_behind(limit, used, now, length, zone)
        first = (claimed.due_at - schedule.EPOCH) // length if behind else used
        found[provider] = _locations_in_turn(claimed.schedule, first, calls) if calls else frozenset()
    return found


def _locations_in_turn(name: str, first: int, calls: int) -> frozenset[int]:
    """The ids of so many locations of a schedule, from position ``first`` round the list.

    All active ones are counted: those due become fewer each time that the slot is taken up again.
    """
    mine = Location.schedule.is_(None) if name == schedule.DEFAULT_SCHEDULE else Location.schedule == name
    with get_db_session(read_only=True) as session:
        ids = session.scalars(select(Location.id).where(Location.state == LocationState.ACTIVE, mine).order_by(Location.id)).all()
    return frozenset(ids[(first + turn) % len(ids)] for turn in range(min(calls, len(ids))))


def allowance(limit: int, used: int, now: datetime, slot: timedelta, zone: str = "UTC") -> int:
    """Calls of a small monthly quota that may be made in a slot, so that they are spread evenly over the month.

    What has not been used so far is not made up for at once: a slot gets twice its even share at most, and at least one.
    """
    usable = limit - reserve_of(limit)
    left, share = _even(usable, used, now, slot, zone)
    return max(0, min(left, max(1, int(2 * share)), usable - used))


def is_behind(limit: int, used: int, now: datetime, slot: timedelta, zone: str = "UTC") -> bool:
    """Whether calls of a small monthly quota are left over from earlier slots."""
    left, share = _even(limit - reserve_of(limit), used, now, slot, zone)
    return left > share + 1


def _even(usable: int, used: int, now: datetime, slot: timedelta, zone: str) -> tuple[int, float]:
    """Of an even spread over the month: the calls that may still be made by now, and the part of one slot."""
    start, end = period_start("month", now, zone), period_end("month", now, zone)
    spread, share = usable * ((now - start) / (end - start)), usable * (slot / (end - start))
    return max(int(spread) + 1, int(spread + share)) - used, share

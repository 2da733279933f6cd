"""Spread a monthly quota that is too small for every slot evenly over the month and over the locations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select

from ..model.account import Account
from ..model.schedule import DEFAULT_SCHEDULE, EPOCH
from ..model.states import LocationState
from ..storage.engine import get_db_session
from ..storage.models import Location
from .quota import period_end, period_start, reserve_of, usage


@dataclass(frozen=True, slots=True)
class Slot:
    """A slot of a schedule, as far as the spread needs it."""

    #: Name of the schedule.
    schedule: str
    due_at: datetime
    #: Time to the next slot.
    length: timedelta


def allot_locations(accounts: Sequence[Account], slot: Slot, now: datetime) -> dict[str, frozenset[int]]:
    """Account → ids of the locations that may call it in a slot; accounts without a monthly quota are left out.

    The turns rotate over the locations of the schedule in the order of their ids, by one place for each call that the account
    has spent. Calls left over from earlier slots rotate by slot, so that a location that fails does not keep its turn for ever.
    """
    allotted = {}
    for account in accounts:
        if "month" not in account.limits:
            continue
        with get_db_session(read_only=True) as session:
            used = next(one.used for one in usage(session, account, now) if one.window == "month")
        calls = allowance(account, used, now, slot.length)
        behind = is_behind(account, used, now, slot.length)
        first = (slot.due_at - EPOCH) // slot.length if behind else used
        allotted[account.name] = _locations_in_turn(slot.schedule, first, calls) if calls else frozenset()
    return allotted


def _locations_in_turn(schedule: str, first: int, calls: int) -> frozenset[int]:
    """The ids of ``calls`` locations of a schedule, from position ``first`` of the rotation.

    All active locations count, because the due ones become fewer each time that the run of the slot is resumed.
    """
    follows = Location.schedule.is_(None) if schedule == DEFAULT_SCHEDULE else Location.schedule == schedule
    active = select(Location.id).where(Location.state == LocationState.ACTIVE, follows).order_by(Location.id)
    with get_db_session(read_only=True) as session:
        ids = session.scalars(active).all()
    return frozenset(ids[(first + turn) % len(ids)] for turn in range(min(calls, len(ids))))


def allowance(account: Account, used: int, now: datetime, slot: timedelta) -> int:
    """Calls of a monthly quota that may be made in a slot, so that they are spread evenly over the month.

    Unused calls are caught up slowly: a slot gets at most twice its even share, and at least one call.
    """
    usable = _usable(account)
    remaining, share = _even_spread(account, used, now, slot)
    return max(0, min(remaining, max(1, int(2 * share)), usable - used))


def is_behind(account: Account, used: int, now: datetime, slot: timedelta) -> bool:
    """Whether calls of a monthly quota are left over from earlier slots."""
    remaining, share = _even_spread(account, used, now, slot)
    return remaining > share + 1


def _usable(account: Account) -> int:
    """Calls of the month that the schedule may spend."""
    limit = account.limits["month"]
    return limit - reserve_of(limit)


def _even_spread(account: Account, used: int, now: datetime, slot: timedelta) -> tuple[int, float]:
    """Calls that an even spread over the month still allows by now, and the share of one slot."""
    usable = _usable(account)
    start, end = period_start("month", now, account.zone), period_end("month", now, account.zone)
    spread, share = usable * ((now - start) / (end - start)), usable * (slot / (end - start))
    return max(int(spread) + 1, int(spread + share)) - used, share

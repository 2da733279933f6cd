"""The health of the service, as the ledger shows it: freshness, stale locations, last run and heartbeat."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from ..model.flags import Flag
from ..model.schedule import EPOCH, Schedule, parse_schedule
from ..model.states import LocationState, RunState
from ..quality.row_checks import MAX_CLOCK_LEAD
from ..storage.models import Heartbeat, Location, Run
from ..storage.newest_rows import newest_row
from ..storage.plain_columns import as_seconds, as_text


@dataclass(frozen=True, slots=True)
class LedgerHealth:
    """The health of the service."""

    #: Age of each scheduled location's newest observation [s]; None without a row, and for an observation of the future.
    freshness: dict[str, float | None]
    #: Scheduled locations without a row of the slot before the current one, and of any later slot.
    stale: list[str]
    #: The newest run.
    last_run: Run | None
    #: Process → age of its newest heartbeat [s].
    heartbeats: dict[str, float]
    #: Flag (``old``, ``stale`` or ``future``) and provider → the locations with this flag in their newest row.
    standing_still: dict[tuple[Flag, str], list[str]] = field(default_factory=dict)
    #: When the newest of all rows was due.
    newest_slot: datetime | None = None


def read_health(session: Session, now: datetime, default: Schedule) -> LedgerHealth:
    """The state of the ledger at ``now``."""
    until = now + MAX_CLOCK_LEAD  # what is later comes from a clock that was wrong
    health = LedgerHealth({}, [], _last_run(session, until), _heartbeats(session, now))
    newest_slot, expected = -math.inf, _ExpectedSlots(default, now)
    current, latest_credible = now.timestamp(), until.timestamp()
    # Plain numbers: an object for each instant of each location takes longer than the query.
    for name, text, created_at, due_since, due_at, observed_at, provider, flags in _newest_rows(session, now):
        at = due_at if observed_at is None else observed_at
        health.freshness[name] = None if at is None or at > latest_credible else max(0.0, current - at)
        for flag in _standing_still(flags) if flags else ():
            health.standing_still.setdefault((flag, provider), []).append(name)
        since_when = created_at if due_at is None else due_at
        newest_slot = max(newest_slot, -math.inf if due_at is None else due_at)
        if max(since_when, since_when if due_since is None else due_since) < expected.of(text):
            health.stale.append(name)
    found = None if newest_slot == -math.inf else datetime.fromtimestamp(newest_slot, UTC)
    return replace(health, newest_slot=found)


def _newest_rows(session: Session, now: datetime) -> Sequence[Sequence[Any]]:
    """The active locations with their newest rows, in the order of names.

    Each has its name, schedule, ``created_at`` and ``due_since``, and of its row slot, time, provider and flags. Instants are
    Unix seconds, flags a text.
    """
    dialect = session.get_bind().dialect
    newest, is_newest = newest_row(dialect, now)
    columns = (
        Location.name,
        Location.schedule,
        *(as_seconds(dialect, at) for at in (Location.created_at, Location.due_since)),
        *(as_seconds(dialect, at) for at in (newest.c.due_at, newest.c.observed_at)),
        newest.c.provider,
        as_text(dialect, newest.c.flags),
    )
    query = select(*columns).select_from(Location).outerjoin(newest, is_newest)
    query = query.where(Location.state == LocationState.ACTIVE).order_by(Location.name)
    return session.connection().execute(query).all()


class _ExpectedSlots:
    """The slot of each schedule that must be stored by now [Unix s]."""

    def __init__(self, default: Schedule, now: datetime) -> None:
        self._default, self._now = default, now
        self._found: dict[str | None, float] = {}

    def of(self, text: str | None) -> float:
        """That of a schedule; None is the default one."""
        if text not in self._found:
            self._found[text] = _expected(parse_schedule(text) if text else self._default, self._now).timestamp()
        return self._found[text]


@lru_cache(maxsize=1024)
def _standing_still(flags: str) -> tuple[Flag, ...]:
    """The flags of observations that stand still, in the text of a row's flags."""
    return tuple(flag for flag in (Flag.OLD, Flag.STALE, Flag.FUTURE) if f'"{flag}"' in flags)


def _last_run(session: Session, until: datetime) -> Run | None:
    query = select(Run).where(Run.state != RunState.MISSED, Run.due_at <= until)
    return session.scalars(query.order_by(Run.due_at.desc()).limit(1)).first()


def _heartbeats(session: Session, now: datetime) -> dict[str, float]:
    is_alive = (Heartbeat.beat_at <= now + MAX_CLOCK_LEAD, Heartbeat.is_stopped.is_(False))
    query = select(Heartbeat.holder, Heartbeat.beat_at).where(*is_alive)
    return {holder: (now - beat_at).total_seconds() for holder, beat_at in session.execute(query)}


def _expected(when: Schedule, now: datetime) -> datetime:
    """The slot that must be stored by now: the one before the current one, which has a minute to be collected."""
    current = when.slot_at(now - timedelta(minutes=1)) or EPOCH
    return when.slot_at(current - timedelta(microseconds=1)) or EPOCH

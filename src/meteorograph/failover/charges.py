"""Keeps quotas correct across an outage: charges to either database are passed on to the other one.

The database is behind by what was charged to the fallback database while the database was away; the fallback database notes how
much of each window the database knows. The fallback database is behind by what this process charged to the database since the
last snapshot; the process remembers that.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import ParamSpec

from sqlalchemy import delete, insert, literal, select
from sqlalchemy.orm import Session

from ..accounts.offline_quota import SYNCED_PREFIX
from ..accounts.quota import Grant
from ..config.loading import get_settings
from ..config.settings import Settings
from ..errors import FallbackDatabaseError
from ..storage import engine
from ..storage.models import Quota
from ..storage.upsert import insert_or_ignore
from .call import call_with_fallback
from .database_file import fallback_session, has_fallback
from .state import get_state

P = ParamSpec("P")


@dataclass(frozen=True, slots=True)
class Charge:
    """Calls that one database knows and the other one does not."""

    provider: str
    window: str
    #: Start of the window's current period.
    period_start: datetime
    calls: int


def charge_with_fallback(provider: str, grant: Callable[P, Grant], *args: P.args, **kwargs: P.kwargs) -> Grant:
    """Charge calls to the database, or to the fallback database if the database is away.

    Before that, the database in use learns the charges that only the other one knows.

    Raises:
        StoreError: Both are away.
    """

    def charge() -> Grant:
        if engine.uses_other_database():
            _report_charges(provider)
            return grant(*args, **kwargs)
        try:
            sync_charges(get_settings())
        except FallbackDatabaseError:
            pass  # the database still knows all other charges
        granted = grant(*args, **kwargs)
        state = get_state()
        with state.unreported_lock:
            for window, start in granted.periods.items():
                key = (provider, window, start)
                state.unreported[key] = state.unreported.get(key, 0) + granted.calls
        return granted

    return call_with_fallback(charge)


def sync_charges(settings: Settings) -> None:
    """Add the charges of the fallback database to the database.

    Raises:
        FallbackDatabaseError: The fallback database does not answer.
        StoreError: The database does not answer.
    """
    if not has_fallback(settings):
        return
    with get_state().sync_charges_lock:
        with fallback_session(settings, read_only=True) as fallback:
            charges = read_unsynced_charges(fallback)
        if charges:
            with engine.get_db_session() as session:
                _add_to_database(session, charges)
            with fallback_session(settings) as fallback:  # if the process is killed before this, the calls are charged twice
                for charge in charges:
                    _add(fallback, charge.provider, SYNCED_PREFIX + charge.window, charge.period_start, charge.calls)


def read_unsynced_charges(fallback: Session) -> list[Charge]:
    """Charges of the fallback database that the database does not know."""
    quotas = fallback.execute(select(Quota.provider, Quota.window, Quota.period_start, Quota.used)).all()
    used = {(row.provider, row.window, row.period_start): row.used for row in quotas}
    charges = [
        Charge(
            row.provider,
            row.window,
            row.period_start,
            row.used - used.get((row.provider, SYNCED_PREFIX + row.window, row.period_start), 0),
        )
        for row in quotas
        if not row.window.startswith(SYNCED_PREFIX)
    ]
    return [charge for charge in charges if charge.calls > 0]


def mark_all_synced(fallback: Session) -> None:
    """Note in the fallback database that the database knows all its charges."""
    fallback.execute(delete(Quota).where(Quota.window.startswith(SYNCED_PREFIX)))
    columns = ("provider", "window", "period_start", "used")
    synced = select(Quota.provider, literal(SYNCED_PREFIX) + Quota.window, Quota.period_start, Quota.used)
    fallback.execute(insert(Quota).from_select(columns, synced))


@contextmanager
def tracked_charges() -> Iterator[Callable[[], None]]:
    """Context for a snapshot, with the charges made before it. Call the yielded function when the snapshot is stored."""
    state = get_state()
    with state.unreported_lock:
        charged = dict(state.unreported)

    def mark_reported() -> None:
        with state.unreported_lock:
            for key, calls in charged.items():
                if key in state.unreported:
                    state.unreported[key] -= calls
                    if state.unreported[key] <= 0:
                        del state.unreported[key]

    yield mark_reported


def _report_charges(provider: str) -> None:
    """Add the charges that this process made to the database since the last snapshot to the fallback database."""
    state = get_state()
    with state.unreported_lock:
        charges = {key: calls for key, calls in state.unreported.items() if key[0] == provider}
        if not charges:
            return
        with engine.get_db_session() as fallback:
            for (_, window, start), calls in charges.items():
                for name in (window, SYNCED_PREFIX + window):
                    _add(fallback, provider, name, start, calls)
        for key in charges:
            del state.unreported[key]


def _add(fallback: Session, provider: str, window: str, start: datetime, calls: int) -> None:
    row = fallback.get(Quota, (provider, window))
    if row is None:
        fallback.add(Quota(provider=provider, window=window, period_start=start, used=calls))
    elif row.period_start == start:
        row.used += calls
    elif row.period_start < start:
        row.period_start, row.used = start, calls


def _add_to_database(session: Session, charges: Sequence[Charge]) -> None:
    for charge in charges:
        row = session.get(Quota, (charge.provider, charge.window), with_for_update=True)
        start, calls = charge.period_start, charge.calls
        if row is None:
            new = {"provider": charge.provider, "window": charge.window, "period_start": start, "used": calls}
            insert_or_ignore(session, Quota, [new])
        elif start > row.period_start:
            row.period_start, row.used = start, calls
        elif start == row.period_start:
            row.used += calls

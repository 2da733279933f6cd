"""Quotas across an outage: the stand-in counts on from the database, and the database from the stand-in."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any, Final, ParamSpec

from sqlalchemy import delete, insert, literal, select
from sqlalchemy.orm import Session

from ..accounts.quota import Grant
from ..config.loading import get_settings
from ..config.settings import Settings
from ..errors import StandInError
from ..storage import engine
from ..storage.models import Quota
from ..storage.upsert import insert_or_ignore, table_of
from .call import call_with_fallback
from .database_file import fallback_session, has_fallback

P = ParamSpec("P")

#: Goes before the window's name in the row that says how much of the window's count the database knows.
SYNCED_PREFIX: Final = "began "

_lock = threading.Lock()
_bringing = threading.Lock()
#: What this process has charged to the database since the stand-in last heard of it, by provider, window and period.
_unreported: dict[tuple[str, str, datetime], int] = {}


def charge_with_fallback(provider: str, grant: Callable[P, Grant], *args: P.args, **kwargs: P.kwargs) -> Grant:
    """Charge calls to the database; to the stand-in, if it is away. Either knows before what was charged to the other.

    Raises:
        StoreError: Both are away.
    """

    def work() -> Grant:
        if engine.uses_other_database():
            _catch_up(provider)
            return grant(*args, **kwargs)
        try:
            sync_charges(get_settings())
        except StandInError:
            pass  # without it the database still knows all but that
        granted = grant(*args, **kwargs)
        with _lock:
            for window, start in granted.periods.items():
                _unreported[provider, window, start] = _unreported.get((provider, window, start), 0) + granted.calls
        return granted

    return call_with_fallback(work)


def sync_charges(settings: Settings) -> None:
    """Let the database know what was charged to the stand-in.

    Raises:
        StandInError: It does not answer.
        StoreError: The database does not.
    """
    if not has_fallback(settings):
        return
    with _bringing:
        with fallback_session(settings, read_only=True) as there:
            spent = unsynced_charges(there)
        if spent:
            with engine.get_db_session() as session:
                _spend(session, spent)
            with fallback_session(settings) as there:  # a process that is killed before this charges twice, not never
                _note_known(there, spent)


def unsynced_charges(there: Session) -> list[dict[str, Any]]:
    """The rows of the stand-in's quotas with ``used`` as what the database does not know of, where there is something."""
    quotas = [dict(row._mapping) for row in there.execute(select(table_of(Quota)))]
    known = {(row["provider"], row["window"], row["period_start"]): row["used"] for row in quotas}
    found = []
    for row in quotas:
        if not row["window"].startswith(SYNCED_PREFIX):
            of_those = known.get((row["provider"], SYNCED_PREFIX + row["window"], row["period_start"]), 0)
            found.append({**row, "used": row["used"] - of_those})
    return [row for row in found if row["used"] > 0]


def mark_all_synced(there: Session) -> None:
    """Note in the stand-in that the database knows all that it has."""
    there.execute(delete(Quota).where(Quota.window.startswith(SYNCED_PREFIX)))
    columns = ("provider", "window", "period_start", "used")
    known = select(Quota.provider, literal(SYNCED_PREFIX) + Quota.window, Quota.period_start, Quota.used)
    there.execute(insert(Quota).from_select(columns, known))


@contextmanager
def tracked_charges() -> Iterator[Callable[[], None]]:
    """What is called in the block when the stand-in has heard of all that was charged before it."""
    with _lock:
        charged = dict(_unreported)

    def known() -> None:
        with _lock:
            for one, calls in charged.items():
                if one in _unreported:
                    _unreported[one] -= calls
                    if _unreported[one] <= 0:
                        del _unreported[one]

    yield known


def _catch_up(provider: str) -> None:
    """Let the stand-in know what was charged to the database since it last heard of it."""
    with _lock:
        mine = {key: calls for key, calls in _unreported.items() if key[0] == provider}
        if not mine:
            return
        with engine.get_db_session() as there:
            for (_, window, start), calls in mine.items():
                for name in (window, SYNCED_PREFIX + window):
                    _add(there, provider, name, start, calls)
        for key in mine:
            del _unreported[key]


def _note_known(there: Session, spent: list[dict[str, Any]]) -> None:
    for row in spent:
        _add(there, row["provider"], SYNCED_PREFIX + row["window"], row["period_start"], row["used"])


def _add(there: Session, provider: str, window: str, start: datetime, calls: int) -> None:
    row = there.get(Quota, (provider, window))
    if row is None:
        there.add(Quota(provider=provider, window=window, period_start=start, used=calls))
    elif row.period_start == start:
        row.used += calls
    elif row.period_start < start:
        row.period_start, row.used = start, calls


def _spend(session: Session, spent: list[dict[str, Any]]) -> None:
    for row in spent:
        mine = session.get(Quota, (row["provider"], row["window"]), with_for_update=True)
        if mine is None:
            insert_or_ignore(session, Quota, [row])
        elif row["period_start"] > mine.period_start:
            mine.period_start, mine.used = row["period_start"], row["used"]
        elif row["period_start"] == mine.period_start:
            mine.used += row["used"]

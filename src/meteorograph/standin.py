"""What stands in for the database while it is away: a SQLite file beside the journal, with the same tables.

It knows the locations, the quotas and the accounts as they were when the database was last there. So the same ticks, claims and
charges go on in it, in all processes of this machine, and what is collected waits there until the database is back.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, Final, ParamSpec, TypeVar

from sqlalchemy import delete, exists, func, insert, select
from sqlalchemy.orm import Session

from . import db, migrations
from .check_states import flagged
from .errors import StoreError
from .logs import get_logger
from .settings import Settings, get_settings
from .store import store
from .tables import Account, Base, Location, LocationStation, Missed, Quota, Run, WeatherData
from .upsert import insert_or_ignore, insert_or_replace, table_of

log = get_logger(__name__)

P = ParamSpec("P")
T = TypeVar("T")

#: After a failure the database is left alone for so long [s].
AWAY_SECONDS: Final = 5.0

#: Rows that are copied at once; of what is brought back, in one transaction.
BATCH: Final = 1000

#: What is known in the stand-in of how things were; what is collected in it.
KNOWN: Final[tuple[type[Base], ...]] = (Location, LocationStation, Quota, Account)
COLLECTED: Final[tuple[type[Base], ...]] = (WeatherData, Missed, Run)

_lock = threading.Lock()
_remembered: dict[str, tuple[Any, ...]] = {}
_away_until = float("-inf")


@contextmanager
def standing_in(settings: Settings) -> Iterator[None]:
    """Within the block, sessions are of the stand-in.

    Raises:
        StoreError: There is none that knows a location.
    """
    path = _path(settings)
    if not path.exists():
        raise StoreError("the database is away, and was never there for anything to stand in for it")
    with db.instead(f"sqlite:///{path.absolute()}"):
        yield


def call(work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Do a piece of work with the database; with its stand-in if it is away.

    Raises:
        StoreError: Both are.
    """
    global _away_until
    if db.is_instead():
        return work(*args, **kwargs)
    if time.monotonic() >= _away_until:
        try:
            return work(*args, **kwargs)
        except StoreError as error:
            if not _path(get_settings()).exists():
                raise
            _away_until = time.monotonic() + AWAY_SECONDS
            log.warning("the database is away, going on without it", reason=str(error))
    with standing_in(get_settings()):
        return work(*args, **kwargs)


def remember(settings: Settings) -> None:
    """Let the stand-in know what it needs to stand in for the database as it is now.

    Raises:
        StoreError: One of the two does not answer.
    """
    with db.get_db_session(read_only=True) as session:
        locations = _signature(session)
        key = f"{_path(settings).absolute()} {settings.database_url.get_secret_value()}"
        kinds = KNOWN[2:] if _remembered.get(key) == locations and _path(settings).exists() else KNOWN
        with _made(settings), db.get_db_session() as there:
            for kind in reversed(kinds):
                there.execute(delete(kind))
            for kind in kinds:
                table = table_of(kind)
                for rows in session.execute(select(table), execution_options={"yield_per": BATCH}).mappings().partitions():
                    there.execute(insert(table), [dict(row) for row in rows])
    _remembered[key] = locations


def _signature(session: Session) -> tuple[Any, ...]:
    """Changes when a location does, as far as its collection is concerned."""
    active = func.count().filter(Location.state == "active")
    newest = func.max(Location.id), func.max(Location.created_at), func.max(Location.due_since)
    return tuple(session.execute(select(func.count(), active, *newest)).one())


def bring_back(settings: Settings) -> int:
    """Move what was collected in the stand-in to the database, oldest slot first; gives how many rows came.

    Raises:
        StoreError: One of the two does not answer; what has not been moved stays where it is.
    """
    if db.is_instead() or not _path(settings).exists():
        return 0
    with _lock:
        rows = 0
        while batch := _read(settings):
            there = _locations_among({row["location_id"] for row in batch})
            kept = [row for row in batch if row["location_id"] in there]
            refused = store(kept, flagged)
            for row, reason in refused:
                log.error("the database refused a row", location_id=row["location_id"], reason=reason)
            _forget_missed(kept)
            _drop(settings, batch)
            rows += len(kept)
        _bring_ledger(settings)
    if rows:
        log.info("brought back what was collected while the database was away", rows=rows)
    return rows


def _path(settings: Settings) -> Path:
    """Its file; of another schema it is another one."""
    return settings.journal_dir / f"standin-{migrations.head()}.db"


@contextmanager
def _made(settings: Settings) -> Iterator[None]:
    path = _path(settings)
    path.parent.mkdir(parents=True, exist_ok=True)
    with db.instead(f"sqlite:///{path.absolute()}"):
        db.create_all()
        yield


def _read(settings: Settings) -> list[dict[str, Any]]:
    table = table_of(WeatherData)
    with standing_in(settings), db.get_db_session(read_only=True) as session:
        query = select(table).order_by(table.c.due_at, table.c.location_id).limit(BATCH)
        return [dict(row._mapping) for row in session.execute(query)]


def _drop(settings: Settings, rows: list[dict[str, Any]]) -> None:
    with standing_in(settings), db.get_db_session() as session:
        for row in rows:  # unless it was collected anew meanwhile
            mine = (WeatherData.location_id == row["location_id"], WeatherData.due_at == row["due_at"])
            session.execute(delete(WeatherData).where(*mine, WeatherData.fetched_at == row["fetched_at"]))


def _locations_among(ids: set[int]) -> set[int]:
    with db.get_db_session(read_only=True) as session:
        return set(session.scalars(select(Location.id).where(Location.id.in_(ids))))


def _forget_missed(rows: list[dict[str, Any]]) -> None:
    """What another machine may have written off meanwhile."""
    stored = exists().where(WeatherData.location_id == Missed.location_id, WeatherData.due_at == Missed.due_at)
    with db.get_db_session() as session:
        for due_at in {row["due_at"] for row in rows}:
            session.execute(delete(Missed).where(Missed.due_at == due_at, stored).execution_options(synchronize_session=False))


def _bring_ledger(settings: Settings) -> None:
    """The runs, the reasons for what is missing, and what was spent."""
    with standing_in(settings), db.get_db_session(read_only=True) as session:
        runs, missed, spent, accounts = (
            [dict(row._mapping) for row in session.execute(select(table_of(kind)))] for kind in (Run, Missed, Quota, Account)
        )
    if not runs and not missed:
        return
    there = _locations_among({row["location_id"] for row in missed})
    with db.get_db_session() as session:
        for kind, new in (
            (Run, [{name: value for name, value in run.items() if name != "id"} for run in runs]),
            (Missed, _still_missing(session, [row for row in missed if row["location_id"] in there])),
        ):
            if new:
                insert_or_ignore(session, kind, new)
        _spend(session, spent)
        _close(session, accounts)
    with standing_in(settings), db.get_db_session() as session:
        ended = [run["id"] for run in runs if run["state"] not in ("pending", "running")]
        session.execute(delete(Run).where(Run.id.in_(ended)))
        for due_at in {row["due_at"] for row in missed}:
            session.execute(delete(Missed).where(Missed.due_at == due_at))


def _still_missing(session: Session, missed: list[dict[str, Any]]) -> list[dict[str, Any]]:
    slots = {row["due_at"] for row in missed}
    query = select(WeatherData.location_id, WeatherData.due_at).where(WeatherData.due_at.in_(slots))
    stored = set(session.execute(query))
    return [row for row in missed if (row["location_id"], row["due_at"]) not in stored]


def _spend(session: Session, spent: list[dict[str, Any]]) -> None:
    """Quotas count on from the higher number: the stand-in's began where the database's had stopped."""
    for row in spent:
        mine = session.get(Quota, (row["provider"], row["window"]), with_for_update=True)
        if mine is None:
            insert_or_ignore(session, Quota, [row])
        elif row["period_start"] > mine.period_start:
            mine.period_start, mine.used = row["period_start"], row["used"]
        elif row["period_start"] == mine.period_start:
            mine.used = max(mine.used, row["used"])


def _close(session: Session, accounts: list[dict[str, Any]]) -> None:
    """What closed a provider meanwhile still does."""
    closed: list[dict[str, Any]] = []
    for row in accounts:
        mine = session.get(Account, row["provider"])
        until: datetime | None = row["closed_until"]
        if until is not None and (mine is None or mine.closed_until is None or mine.closed_until < until):
            closed.append(row)
    if closed:
        insert_or_replace(session, Account, closed)

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

from sqlalchemy import delete, exists, func, insert, literal, select, text
from sqlalchemy.orm import Session

from . import db, migrations
from .check_states import flagged
from .errors import StandInError, StoreError
from .ledger import recount
from .logs import get_logger
from .quota import Grant
from .settings import Settings, get_settings
from .store import store
from .tables import Account, Base, CheckState, Daily, Folded, Location, LocationStation, Missed, Quota, Run, WeatherData
from .upsert import insert_or_ignore, insert_or_replace, table_of

log = get_logger(__name__)

P = ParamSpec("P")
T = TypeVar("T")

#: After a failure the database is left alone for so long [s].
AWAY_SECONDS: Final = 5.0

#: Rows that are copied at once; of what is brought back, in one transaction.
BATCH: Final = 1000

#: What is known in the stand-in of how things were.
KNOWN: Final[tuple[type[Base], ...]] = (Location, LocationStation, Quota, Account)

#: What must not be left of a location that was removed.
OF_LOCATIONS: Final[tuple[type[Base], ...]] = (CheckState, Daily, Folded)

#: Goes before the window's name in the row that says with how many calls the stand-in began.
BEGAN: Final = "began "

_lock = threading.Lock()
_charging = threading.Lock()
#: What this process has charged to the database since the stand-in last heard of it, by provider, window and period.
_charged: dict[tuple[str, str, datetime], int] = {}
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
        StandInError: It does not answer.
        StoreError: The database does not.
    """
    with _charging:
        charged = dict(_charged)
    with db.get_db_session(read_only=True) as session:
        locations = _signature(session)
        key = f"{_path(settings).absolute()} {settings.database_url.get_secret_value()}"
        kinds = KNOWN[2:] if _remembered.get(key) == locations and _path(settings).exists() else KNOWN
        with _made(settings), db.get_db_session() as there:
            if _has_something(there):
                return  # it is brought back first
            there.execute(text("PRAGMA defer_foreign_keys = ON"))  # the locations that rows refer to come back at once
            for kind in reversed(kinds):
                there.execute(delete(kind))
            for kind in kinds:
                table = table_of(kind)
                for rows in session.execute(select(table), execution_options={"yield_per": BATCH}).mappings().partitions():
                    there.execute(insert(table), [dict(row) for row in rows])
            for kind in OF_LOCATIONS if Location in kinds else ():
                there.execute(delete(kind).where(table_of(kind).c.location_id.not_in(select(Location.id))))
            _begin_anew(there)
    _remembered[key] = locations
    with _charging:
        for one, calls in charged.items():
            if one in _charged:
                _charged[one] -= calls
                if _charged[one] <= 0:
                    del _charged[one]


def _has_something(session: Session) -> bool:
    """Whether rows, reasons or charges wait in the stand-in."""
    if any(session.execute(select(table_of(kind)).limit(1)).first() is not None for kind in (WeatherData, Missed)):
        return True
    return bool(_charged_here([dict(row._mapping) for row in session.execute(select(table_of(Quota)))]))


def _signature(session: Session) -> tuple[Any, ...]:
    """Changes when a location does, as far as its collection is concerned."""
    active = func.count().filter(Location.state == "active")
    newest = func.max(Location.id), func.max(Location.created_at), func.max(Location.due_since)
    return tuple(session.execute(select(func.count(), active, *newest)).one())


def bring_back(settings: Settings) -> int:
    """Move what was collected in the stand-in to the database, oldest slot first; gives how many rows came.

    Raises:
        StandInError: It does not answer.
        StoreError: The database does not; what has not been moved stays where it is.
    """
    if db.is_instead() or not _path(settings).exists():
        return 0
    with _lock:
        rows, slots = 0, set[datetime]()
        while batch := _read(settings):
            there = _locations_among({row["location_id"] for row in batch})
            kept = [row for row in batch if row["location_id"] in there]
            refused = store(kept, flagged)
            for row, reason in refused:
                log.error("the database refused a row", location_id=row["location_id"], reason=reason)
            _forget_missed(kept)
            _drop(settings, batch)
            rows += len(kept)
            slots |= {row["due_at"] for row in kept}
        _bring_ledger(settings, slots)
    if rows:
        log.info("brought back what was collected while the database was away", rows=rows)
    return rows


def _path(settings: Settings) -> Path:
    """Its file; of another schema it is another one."""
    return settings.journal_dir / f"standin-{migrations.head()}.db"


@contextmanager
def _session(settings: Settings, *, read_only: bool = False) -> Iterator[Session]:
    """A session of the stand-in, whose own failure is none of the database."""
    try:
        with standing_in(settings), db.get_db_session(read_only=read_only) as session:
            yield session
    except StoreError as error:
        raise StandInError(str(error)) from error


@contextmanager
def _made(settings: Settings) -> Iterator[None]:
    path = _path(settings)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with db.instead(f"sqlite:///{path.absolute()}"):
            db.create_all()
            yield
    except (StoreError, OSError) as error:
        raise StandInError(str(error)) from error


def _read(settings: Settings) -> list[dict[str, Any]]:
    table = table_of(WeatherData)
    with _session(settings, read_only=True) as session:
        query = select(table).order_by(table.c.due_at, table.c.location_id).limit(BATCH)
        return [dict(row._mapping) for row in session.execute(query)]


def _drop(settings: Settings, rows: list[dict[str, Any]]) -> None:
    with _session(settings) as session:
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


def _bring_ledger(settings: Settings, slots: set[datetime]) -> None:
    """The runs, the reasons for what is missing, and what was spent."""
    with _session(settings, read_only=True) as session:
        runs, missed, spent, accounts = (
            [dict(row._mapping) for row in session.execute(select(table_of(kind)))] for kind in (Run, Missed, Quota, Account)
        )
    spent = _charged_here(spent)
    if not (runs or missed or spent or slots):
        return
    there = _locations_among({row["location_id"] for row in missed})
    with db.get_db_session() as session:
        for kind, new in (
            (Run, [{name: value for name, value in run.items() if name != "id"} for run in runs]),
            (Missed, _still_missing(session, [row for row in missed if row["location_id"] in there])),
        ):
            if new:
                insert_or_ignore(session, kind, new)
        recount(session, {run["due_at"] for run in runs} | slots)
        _spend(session, spent)
        _close(session, accounts)
    with _session(settings) as session:
        ended = [run["id"] for run in runs if run["state"] not in ("pending", "running")]
        session.execute(delete(Run).where(Run.id.in_(ended)))
        for due_at in {row["due_at"] for row in missed}:
            session.execute(delete(Missed).where(Missed.due_at == due_at))
        _begin_anew(session)


def _still_missing(session: Session, missed: list[dict[str, Any]]) -> list[dict[str, Any]]:
    slots = {row["due_at"] for row in missed}
    query = select(WeatherData.location_id, WeatherData.due_at).where(WeatherData.due_at.in_(slots))
    stored = set(session.execute(query))
    return [row for row in missed if (row["location_id"], row["due_at"]) not in stored]


def _charged_here(quotas: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows of the stand-in's quotas with ``used`` as what was charged there alone, where there is something."""
    began = {(row["provider"], row["window"].removeprefix(BEGAN)): row for row in quotas if row["window"].startswith(BEGAN)}
    found = []
    for row in quotas:
        if not row["window"].startswith(BEGAN):
            before = began.get((row["provider"], row["window"]))
            known = before["used"] if before and before["period_start"] == row["period_start"] else 0
            found.append({**row, "used": row["used"] - known})
    return [row for row in found if row["used"] > 0]


def _spend(session: Session, spent: list[dict[str, Any]]) -> None:
    """Quotas count on with what was charged in the stand-in."""
    for row in spent:
        mine = session.get(Quota, (row["provider"], row["window"]), with_for_update=True)
        if mine is None:
            insert_or_ignore(session, Quota, [row])
        elif row["period_start"] > mine.period_start:
            mine.period_start, mine.used = row["period_start"], row["used"]
        elif row["period_start"] == mine.period_start:
            mine.used += row["used"]


def _begin_anew(session: Session) -> None:
    """Note in the stand-in what its quotas begin with: what they come to beyond it was charged there."""
    session.execute(delete(Quota).where(Quota.window.startswith(BEGAN)))
    columns = ("provider", "window", "period_start", "used")
    began = select(Quota.provider, literal(BEGAN) + Quota.window, Quota.period_start, Quota.used)
    session.execute(insert(Quota).from_select(columns, began))


def charge(provider: str, grant: Callable[P, Grant], *args: P.args, **kwargs: P.kwargs) -> Grant:
    """Charge calls to the database; to the stand-in, if it is away, and then with what this process has just charged there.

    Raises:
        StoreError: Both are.
    """

    def work() -> Grant:
        if db.is_instead():
            _catch_up(provider)
            return grant(*args, **kwargs)
        granted = grant(*args, **kwargs)
        with _charging:
            for window, start in granted.periods.items():
                _charged[provider, window, start] = _charged.get((provider, window, start), 0) + granted.calls
        return granted

    return call(work)


def _catch_up(provider: str) -> None:
    """Let the stand-in know what was charged to the database since it last heard of it."""
    with _charging:
        mine = {key: calls for key, calls in _charged.items() if key[0] == provider}
        if not mine:
            return
        with db.get_db_session() as session:
            for (_, window, start), calls in mine.items():
                for name in (window, BEGAN + window):
                    row = session.get(Quota, (provider, name))
                    if row is None:
                        session.add(Quota(provider=provider, window=name, period_start=start, used=calls))
                    elif row.period_start == start:
                        row.used += calls
                    elif row.period_start < start:
                        row.period_start, row.used = start, calls
        for key in mine:
            del _charged[key]


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

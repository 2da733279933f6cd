"""Restore a backup: the database is replaced, and what happened after the backup is made good from the journal."""

from __future__ import annotations

import math
import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from ..accounts import quota
from ..config.provider_settings import ACCOUNTS
from ..config.settings import Settings
from ..errors import BackupError
from ..journal.entry import Entry
from ..journal.files import journal_files
from ..journal.reader import read_file
from ..ledger.audit import Finding, audit
from ..ledger.claims import due_schedules
from ..model.schedule import Interval
from ..private_files import make_private_file, make_private_folder
from ..providers.registry import PROVIDERS
from ..reparsing.reparse import reparse
from ..storage.engine import ENGINES, get_db_session, init_db
from . import folder as files
from .archive import ARCHIVE, restore_archive
from .create import database_path
from .folder import Backup

#: A heartbeat that is younger belongs to a process that works with the database [s].
_FRESH_HEARTBEAT: Final = timedelta(seconds=60)

#: The journal is read again from this long before the backup: a run in progress had stored only a part.
_OVERLAP: Final = timedelta(days=1)

_WAL_SUFFIXES: Final = ("-wal", "-shm")

#: Account, window, start of its period, and calls.
_Usage = tuple[str, str, datetime, int]


@dataclass(frozen=True, slots=True)
class Restored:
    """What a restore has done."""

    backup: Backup
    #: Where the database is now that was there before; None without one.
    set_aside: Path | None
    #: Rows stored from the journal that are newer than the backup.
    replayed: int
    #: Slots without a row, whose reasons are recorded now.
    findings: list[Finding]


def restore_backup(settings: Settings, folder: Path, now: datetime, *, replace: bool) -> Restored:
    """Put a backup in the place of the current database, and make good what happened since, as far as the journal has it.

    The journal keeps its own files; those of the backup are added. A fallback database that is there stays too.

    Args:
        settings: The settings in force.
        folder: The backup, or a folder of backups, of which the newest is restored.
        now: The current time (aware UTC).
        replace: Whether a database may be there; it is kept under another name.

    Raises:
        BackupError: The backup is not intact, or a database is there or in use. Nothing is changed.
        ConfigurationError: The database is not SQLite.
        StoreError: The restored database cannot be used.
    """
    target = database_path()
    backup = files.verify(_newest(folder))
    is_there = any(Path(f"{target}{suffix}").exists() for suffix in ("", *_WAL_SUFFIXES))
    if is_there and not replace:
        raise BackupError(backup.folder, f"the database {target} exists; --replace puts it aside")
    ENGINES.reset()
    usages: list[_Usage] = []
    aside: Path | None = None
    try:
        if is_there:
            usages = _close_database(backup.folder, target, now)
        make_private_folder(target.parent)
        copy = target.with_name(f"{target.name}.partial")
        _copy(backup.folder / files.DATABASE, copy)
        if is_there:
            aside = _put_aside(target, now)
        copy.rename(target)
        _add_journal(settings, backup.folder / files.JOURNAL)
        restore_archive(settings, backup.folder / ARCHIVE)
    except OSError as error:
        raise BackupError(backup.folder, f"{error.filename or target}: {error.strerror or error}") from error
    ENGINES.reset()
    init_db()
    _restore_usage(settings, backup, usages, now)
    replayed = reparse(settings, backup.manifest.made_at - _OVERLAP, now + _OVERLAP, apply=True, only_missing=True).rows
    schedules = due_schedules(Interval(settings.interval))
    return Restored(backup, aside, replayed, audit(now, schedules, since=backup.manifest.made_at - _OVERLAP))


def _newest(folder: Path) -> Path:
    if (folder / files.DATABASE).exists():
        return folder
    backups = files.list_backups(folder)
    if not backups:
        raise BackupError(folder, "there is no backup in this folder")
    return backups[-1]


def _close_database(folder: Path, target: Path, now: datetime) -> list[_Usage]:
    """Make sure that nobody uses the database, and bring its WAL into the file; gives what is charged to its quotas.

    A damaged database is not in use.
    """
    try:
        with closing(sqlite3.connect(target, timeout=0, isolation_level=None)) as connection:
            connection.execute("PRAGMA locking_mode = EXCLUSIVE")
            connection.execute("BEGIN EXCLUSIVE")
            connection.execute("COMMIT")
            beats = connection.execute("SELECT holder, max(beat_at) FROM heartbeats WHERE NOT is_stopped").fetchall()
            usages = connection.execute("SELECT provider, window, period_start, used FROM quota").fetchall()
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    except sqlite3.OperationalError as error:
        if "locked" in str(error) or "busy" in str(error):
            raise BackupError(folder, f"the database {target} is in use: stop the service first") from error
        return []
    except sqlite3.DatabaseError:
        return []
    for holder, beat_at in beats:
        if beat_at is not None and now - _instant(beat_at) < _FRESH_HEARTBEAT:
            raise BackupError(folder, f"the process {holder} works with the database {target}: stop the service first")
    return [(account, window, _instant(start), used) for account, window, start, used in usages]


def _put_aside(target: Path, now: datetime) -> Path:
    aside = target.with_name(f"{target.name}.before-{now:{files.NAME_FORMAT}}")
    for suffix in _WAL_SUFFIXES:  # of a damaged database only; left there, it would be replayed over the restored one
        with suppress(FileNotFoundError):
            Path(f"{target}{suffix}").rename(f"{aside}{suffix}")
    with suppress(FileNotFoundError):
        target.rename(aside)
    return aside


def _copy(source: Path, target: Path) -> None:
    target.unlink(missing_ok=True)
    make_private_file(target)
    shutil.copyfile(source, target)
    with target.open("rb+") as file:
        os.fsync(file.fileno())


def _add_journal(settings: Settings, folder: Path) -> None:
    """Add the files of the backup. A journal file only grows, so that the longer one has all of the shorter one."""
    make_private_folder(settings.journal_dir)
    for source in folder.iterdir():
        target = settings.journal_dir / source.name
        if not target.exists() or (source.suffix == ".journal" and target.stat().st_size < source.stat().st_size):
            _copy(source, target)


def _restore_usage(settings: Settings, backup: Backup, before: list[_Usage], now: datetime) -> None:
    """Charge what was called after the backup: as the replaced database says, and at least what the journal has answers to."""
    known: dict[tuple[str, str], tuple[datetime, int]] = {}
    with get_db_session() as session:
        for name in ACCOUNTS:
            for usage in quota.usage(session, settings.account(name), now):
                known[name, usage.window] = usage.starts_at, usage.used
        for entry in _entries_since(settings, backup.manifest.made_at):
            for name, calls in _charges(entry):
                for (account, window), (start, used) in known.items():
                    if account == name and entry.fetched_at >= start:
                        known[account, window] = start, used + calls
        for (account, window), (start, used) in known.items():
            before.append((account, window, start, used))
        for account, window, start, used in before:
            if used:
                quota.raise_usage(session, account, window, start, used)


def _entries_since(settings: Settings, made_at: datetime) -> Iterator[Entry]:
    for path in journal_files(settings.journal_dir):
        if path.stat().st_mtime >= made_at.timestamp():
            yield from (entry for entry in read_file(path) if entry.fetched_at > made_at)


def _charges(entry: Entry) -> list[tuple[str, int]]:
    """Accounts and calls that a journalled request was charged to."""
    provider = PROVIDERS.get(entry.provider)
    if provider is None:
        return []
    if entry.kind == "history":
        return [(account, 1) for account in {history.account for history in provider.history}]
    return [(provider.name, math.ceil(provider.cost * max(1, len(entry.points))) if entry.kind == "current" else 1)]


def _instant(value: object) -> datetime:
    """An instant as SQLite has it: seconds since 1970, or a text."""
    if isinstance(value, int | float):
        return datetime.fromtimestamp(value, UTC)
    at = datetime.fromisoformat(str(value))
    return at if at.tzinfo else at.replace(tzinfo=UTC)

"""Make a backup while the service works, and delete the oldest ones."""

from __future__ import annotations

import shutil
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Final

from ..config.settings import Settings
from ..errors import BackupError, ConfigurationError
from ..failover.database_file import fallback_path
from ..journal.files import journal_files
from ..log_output import get_logger
from ..private_files import make_private_file, make_private_folder
from ..storage.engine import database_url, init_db
from ..version import __version__
from . import folder as files
from .archive import ARCHIVE, copy_archive
from .folder import Backup

log = get_logger(__name__)

_PARTIAL: Final = ".partial"

#: Age at which what a killed process has left is deleted [s].
_ABANDONED_SECONDS: Final = 86_400.0


def create_backup(settings: Settings, folder: Path, now: datetime, *, keep: int | None = None) -> Backup:
    """Make a backup in a new folder below ``folder``, which gets its name only once it has been read again.

    Args:
        settings: The folders of the journal and of the archive.
        folder: Where backups lie; it is made if it is missing.
        now: The current time (aware UTC), which names the backup.
        keep: Number of backups to keep: older ones are deleted once the new one is verified. None keeps all.

    Raises:
        BackupError: The backup could not be made, or it is not what the database was; earlier ones are untouched.
        ConfigurationError: The database is not SQLite.
        StoreError: The database cannot be used.
    """
    source = database_path()
    init_db()
    target = folder / f"{now:{files.NAME_FORMAT}}"
    try:
        make_private_folder(folder)
        with _partial_folder(target) as partial:
            rows, schema = _copy_database(source, partial / files.DATABASE)
            _copy_journal(settings, partial / files.JOURNAL)
            earlier = files.list_backups(folder)
            copy_archive(settings, partial / files.DATABASE, partial / ARCHIVE, earlier[-1] if earlier else None)
            files.seal(partial, files.Manifest(now, __version__, schema, rows))
            backup = replace(files.verify(partial), folder=target)
    except OSError as error:
        raise BackupError(target, error.strerror or str(error)) from error
    except sqlite3.Error as error:
        raise BackupError(target, str(error)) from error
    if keep is not None:
        for old in files.list_backups(folder)[: -max(keep, 1)]:
            shutil.rmtree(old, ignore_errors=True)
    return backup


def database_path() -> Path:
    """The file of the current database.

    Raises:
        ConfigurationError: It is not a file of SQLite.
    """
    url = database_url()
    if url.get_backend_name() != "sqlite" or not url.database or url.database == ":memory:":
        raise ConfigurationError(
            f"DATABASE_URL={url.render_as_string()}: must be a file of SQLite for backup and restore; "
            "docs/backups.md has the way for PostgreSQL"
        )
    return Path(url.database)


@contextmanager
def _partial_folder(target: Path) -> Iterator[Path]:
    """A folder that becomes ``target`` at the end, and is deleted if that fails."""
    for left in target.parent.glob(f"*{_PARTIAL}"):
        if time.time() - left.stat().st_mtime > _ABANDONED_SECONDS:
            shutil.rmtree(left, ignore_errors=True)
    partial = target.with_name(target.name + _PARTIAL)
    partial.mkdir(0o700)
    try:
        yield partial
        if target.exists():
            raise BackupError(target, "it exists already")
        partial.rename(target)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise


def _copy_database(source: Path, target: Path) -> tuple[dict[str, int], str]:
    """Copy a database of which others may write; gives the number of rows by table, and the revision of the schema.

    One transaction covers the count and the copy. With WAL it keeps no writer from its work.
    """
    make_private_file(target)
    with closing(sqlite3.connect(f"{source.absolute().as_uri()}?mode=ro", uri=True, isolation_level=None)) as connection:
        connection.execute("BEGIN")
        rows = files.rows_of(connection)
        [(schema,)] = connection.execute("SELECT version_num FROM alembic_version").fetchall()
        with closing(sqlite3.connect(target, isolation_level=None)) as copy:
            connection.backup(copy)
            copy.execute("PRAGMA journal_mode = DELETE")  # so that one file is all of it
    return rows, schema


def _copy_journal(settings: Settings, target: Path) -> None:
    """Copy the journal and the fallback database."""
    target.mkdir(0o700)
    for path in journal_files(settings.journal_dir):
        make_private_file(target / path.name)
        shutil.copyfile(path, target / path.name)
    fallback = fallback_path(settings)
    if fallback.exists():
        make_private_file(target / fallback.name)
        try:
            with closing(sqlite3.connect(f"{fallback.absolute().as_uri()}?mode=ro", uri=True)) as connection:
                with closing(sqlite3.connect(target / fallback.name, isolation_level=None)) as copy:
                    connection.backup(copy)
                    copy.execute("PRAGMA journal_mode = DELETE")
        except sqlite3.DatabaseError as error:  # a damaged one is made again; it must not keep the database from its backup
            log.warning("the fallback database could not be added to the backup", reason=str(error))
            (target / fallback.name).unlink()

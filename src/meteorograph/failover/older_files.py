"""Fallback databases of earlier versions, left over from an upgrade during an outage: nothing of them is lost."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from sqlalchemy.exc import SQLAlchemyError

from ..config.settings import Settings
from ..errors import StoreError
from ..log_output import get_logger
from ..storage import engine, migrations
from .database_file import close_fallback, fallback_path, set_aside_if_damaged, use_older_file
from .state import get_state

if sys.platform != "win32":  # which does not rename an open file
    import fcntl

log = get_logger(__name__)

_NAME: Final = re.compile(r"standin-(\w+)\.db")


def adopt_older_files(settings: Settings) -> None:
    """Bring the fallback databases of earlier versions to the schema of this one, once in a process.

    The newest of them becomes the fallback database, if there is none yet, so that collection can go on although the database is
    still away. The others wait for ``older_file``.
    """
    state = get_state()
    if state.has_all_older_files:
        return
    with _locked_folder(settings.journal_dir) as is_ours:
        state.has_all_older_files = is_ours  # else the next tick tries again
        if is_ours:
            _adopt_all(settings)


@contextmanager
def _locked_folder(folder: Path) -> Iterator[bool]:
    """Context in which no other process renames the files of a folder; False if another one does.

    Whoever opens a file while it is renamed would keep the write-ahead log under the old name, and what it holds would be lost.
    """
    if sys.platform == "win32" or not os.access(folder, os.R_OK):
        yield True
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(handle)
        yield False
        return
    try:
        yield True
    finally:
        os.close(handle)


def _adopt_all(settings: Settings) -> None:
    state = get_state()
    found = [(match[1], path) for path in settings.journal_dir.glob("standin-*.db") if (match := _NAME.fullmatch(path.name))]
    for revision, path in sorted(found, reverse=True):
        if revision == migrations.newest_revision() or path in state.older_files:
            continue
        if revision not in migrations.known_revisions():
            _mention(path, "a fallback database of a newer version is left as it is; that version can bring it back")
        elif _migrate(settings, path, revision):
            if fallback_path(settings).exists():
                state.older_files.append(path)
            else:
                path.rename(fallback_path(settings))
                log.info("the fallback database of an earlier version is used", file=path.name)


def _mention(path: Path, event: str) -> None:
    """Log something about a file, once."""
    if path.name not in get_state().mentioned_files:
        get_state().mentioned_files.add(path.name)
        log.error(event, file=path.name)


@contextmanager
def older_file(settings: Settings) -> Iterator[Path | None]:
    """Context in which one of the other files, if any, is the fallback database; it is deleted at the end, but for an error."""
    files = get_state().older_files
    if not files:
        yield None
        return
    with use_older_file(files[0]):
        yield files[0]
        close_fallback(settings)
    files.pop(0).unlink()


def _migrate(settings: Settings, path: Path, revision: str) -> bool:
    """Bring a file to the newest schema; False if another process uses it, or it is damaged."""
    with use_older_file(path):
        try:
            if _is_in_use(settings, path):
                _mention(path, "another process uses the fallback database of an earlier version")
                get_state().has_all_older_files = False  # the next tick tries again
                return False
            with engine.use_database(f"sqlite:///{path.absolute()}"):
                migrations.upgrade(engine.get_engine(), unversioned=revision)
            close_fallback(settings)
        except (StoreError, SQLAlchemyError, OSError) as error:
            set_aside_if_damaged(settings, error)
            reason = str(error)
            log.warning("the fallback database of an earlier version cannot be used", file=path.name, reason=reason)
            return False
    return True


def _is_in_use(settings: Settings, path: Path) -> bool:
    """Whether another process has a connection: else the write-ahead log ends with ours."""
    with engine.use_database(f"sqlite:///{path.absolute()}"), engine.get_db_session() as session:
        session.connection()
    close_fallback(settings)
    return path.with_name(f"{path.name}-wal").exists()

"""Copies of journal files in a place that all hosts reach, such as object storage: ``<URL>/<day>/<host>/<file>``.

The place is any that fsspec knows. A file is copied under another name, read back and compared, and only then gets its name.
"""

from __future__ import annotations

import hashlib
import os
import re
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path, PurePosixPath
from typing import Any, Final, NamedTuple

from ..errors import ConfigurationError, JournalStoreError
from ..log_output import get_logger
from ..redaction import redact
from .files import SUFFIX, hour_of_file
from .store_state import STORE_STATE

log = get_logger(__name__)

_DAY: Final = timedelta(days=1)
_DAY_FORMAT: Final = "%Y%m%d"
_NO_NAME: Final = re.compile(r"[^A-Za-z0-9._-]")


class StoredFile(NamedTuple):
    """A copy of a journal file."""

    name: str
    path: str
    #: In bytes.
    size: int


class JournalStore:
    """The copies at a URL. Every method raises ``JournalStoreError`` if the store cannot be used.

    Args:
        url: An fsspec URL.
    """

    def __init__(self, url: str) -> None:
        self._url = url.rstrip("/")

    def __str__(self) -> str:
        return redact(self._url)

    def files(self, first: datetime, last: datetime) -> list[StoredFile]:
        """The copies of the files of some days, both included, by name; one for each name."""
        found: dict[str, StoredFile] = {}
        with self._opened() as (system, root):
            for number in range((last.date() - first.date()).days + 1):
                folder = f"{root}/{first + number * _DAY:{_DAY_FORMAT}}"
                for path, info in system.find(folder, detail=True).items():
                    name = PurePosixPath(path).name
                    if name.endswith(SUFFIX):
                        found[name] = StoredFile(name, path, info["size"] or 0)
        return sorted(found.values())

    def read(self, file: StoredFile) -> bytes:
        """The content of a copy."""
        with self._opened() as (system, _):
            content: bytes = system.cat_file(file.path)
            return content

    def copy(self, path: Path) -> int:
        """Copy a file of this host, and give the size of the copy [bytes]."""
        content = path.read_bytes()
        host = _NO_NAME.sub("_", socket.gethostname())
        with self._opened() as (system, root):
            folder = f"{root}/{hour_of_file(path):{_DAY_FORMAT}}/{host}"
            part = f"{folder}/{path.name}.{os.urandom(4).hex()}.part"
            system.makedirs(folder, exist_ok=True)
            system.pipe_file(part, content)
            if hashlib.sha256(system.cat_file(part)).digest() != hashlib.sha256(content).digest():
                with suppress(Exception):  # it is deleted with its day
                    system.rm_file(part)
                raise OSError("a copy differs from its original")
            system.mv(part, f"{folder}/{path.name}")
        return len(content)

    def delete_old(self, now: datetime, days: int) -> None:
        """Delete the copies of the days that ended more than ``days`` days ago, those of all hosts."""
        with self._opened() as (system, root):
            for folder in system.ls(root, detail=False):
                with suppress(FileNotFoundError):  # another host was first
                    if _is_day(folder) and now - _start_of(folder) - _DAY > timedelta(days=days):
                        system.rm(folder, recursive=True)

    def check(self) -> None:
        """Try to list, write and delete."""
        with self._opened() as (system, root):
            probe = f"{root}/probe-{os.urandom(4).hex()}"
            system.ls(root)
            system.pipe_file(probe, b"meteorograph")
            system.rm_file(probe)

    @contextmanager
    def _opened(self) -> Iterator[tuple[Any, str]]:
        try:
            system, root = _url_to_fs(self._url)
            yield system, root
        except JournalStoreError:
            raise
        except Exception as error:  # each kind of store has errors of its own
            reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
            raise JournalStoreError(str(self), redact(reason)) from error


def _url_to_fs(url: str) -> tuple[Any, str]:
    from fsspec.core import url_to_fs  # type: ignore[import-untyped]  # an optional package without types
    from fsspec.implementations.local import LocalFileSystem  # type: ignore[import-untyped]

    system, root = url_to_fs(url, use_listings_cache=False)
    if isinstance(system, LocalFileSystem):
        os.listdir(root)  # a share that is not mounted: its folder is not made in its place
    return system, root.rstrip("/")


def _is_day(folder: str) -> bool:
    return re.fullmatch(r"\d{8}", PurePosixPath(folder).name) is not None


def _start_of(folder: str) -> datetime:
    return datetime.strptime(PurePosixPath(folder).name, _DAY_FORMAT).replace(tzinfo=UTC)


def open_store(url: str | None) -> JournalStore | None:
    """The store at a URL; None for no URL."""
    return None if url is None else JournalStore(url)


def require_store(url: str | None) -> None:
    """Check that the packages are there which a store needs.

    Raises:
        ConfigurationError: One is not installed, or the kind of store is unknown.
    """
    if url is None:
        return
    shown = f"METEOROGRAPH_JOURNAL_STORE={redact(url)}"
    try:
        from fsspec import get_filesystem_class  # type: ignore[import-untyped]  # an optional package without types
    except ImportError:
        raise ConfigurationError(f"{shown}: needs fsspec: pip install 'meteorograph[journal-store]'") from None
    protocol = url.partition("://")[0]
    try:
        get_filesystem_class(protocol)
    except ImportError as error:
        raise ConfigurationError(f"{shown}: needs another package: {error}") from None
    except ValueError:
        raise ConfigurationError(f"{shown}: fsspec has no store of the kind {protocol}") from None


def wait_for(work: threading.Thread, seconds: float) -> bool:
    """Start a thread and wait for its end; False if it goes on."""
    work.start()
    work.join(seconds)
    return not work.is_alive()


def note_failure(error: JournalStoreError, now: datetime) -> None:
    """Remember that the store cannot be used, and log it once."""
    if STORE_STATE.fail(error.reason, now):
        log.warning("the journal store cannot be used, the journal is kept on this host only", reason=error.reason)


def note_success() -> None:
    """Remember that the store can be used, and log it if it could not before."""
    if STORE_STATE.recover():
        log.info("the journal store can be used again")

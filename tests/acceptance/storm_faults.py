"""What befalls the files, the database and the clock of the storm's collector."""

from __future__ import annotations

import os
import random
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

import psycopg
from sqlalchemy.engine import make_url

from acceptance.holds import away
from acceptance.storm import Collector


@contextmanager
def database_gone(database: str, collector: Collector, folder: Path) -> Iterator[None]:
    """Its server takes no connection; the file of SQLite is away, and a folder in its place."""
    if not database.startswith("sqlite"):
        with away(database):
            yield
        return
    collector.end()
    path = Path(make_url(database).database or "")
    aside = folder / "aside"
    aside.mkdir()
    for one in path.parent.glob(f"{path.name}*"):
        one.rename(aside / one.name)
    path.mkdir()
    yield
    collector.end()
    path.rmdir()
    for one in aside.iterdir():
        one.rename(path.parent / one.name)
    aside.rmdir()


@contextmanager
def database_read_only(database: str, flag: Path) -> Iterator[None]:
    """It takes no write."""
    if database.startswith("sqlite"):
        flag.touch()
        yield
        flag.unlink()
        return
    name = make_url(database).database
    with psycopg.connect(database.replace(f"/{name}", "/postgres"), autocommit=True) as server:
        end_others = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s"
        server.execute(f'ALTER DATABASE "{name}" SET default_transaction_read_only = on')
        server.execute(end_others, (name,))
        yield
        server.execute(f'ALTER DATABASE "{name}" RESET default_transaction_read_only')
        server.execute(end_others, (name,))


@contextmanager
def journal_full(folder: Path) -> Iterator[None]:
    """Nothing can be written where the journal is: its folder is away, and a file in its place."""
    aside = folder.rename(folder.with_name("journal-aside"))
    folder.touch()
    yield
    folder.unlink()
    aside.rename(folder)


class Suspendable(Protocol):
    """A process that can be made to stand still."""

    def suspend(self) -> None:
        """SIGSTOP."""

    def resume(self) -> None:
        """SIGCONT."""


@contextmanager
def suspended(process: Suspendable) -> Iterator[None]:
    """The process stands still."""
    process.suspend()
    yield
    process.resume()


def damage(kind: str, folder: Path, chance: random.Random) -> int:
    """Damage the fallback database, or half of the journal's files: not the newest, which a run may need. Gives how many."""
    if kind == "fallback":
        paths = list(folder.glob("standin-????.db"))
        for path in paths:
            with path.open("r+b") as file:
                file.write(os.urandom(min(path.stat().st_size, 16_384)))
        return len(paths)
    files = sorted(folder.glob("*.journal"), key=lambda path: path.stat().st_mtime)[:-4]
    chosen = chance.sample(files, len(files) // 2)
    for path in chosen:
        with path.open("r+b") as file:
            file.seek(chance.randrange(path.stat().st_size))
            file.write(os.urandom(4))
    return len(chosen)


class RealClock:
    """The clock of the collector's machine (``clock_offset.c``); the collector itself goes by a driven one.

    Args:
        library: The library that sets the clock of a process off.
        folder: Where the offset is kept.
    """

    def __init__(self, library: Path, folder: Path) -> None:
        self._file = folder / "offset"
        self._file.write_bytes(bytes(8))
        self.environment = {"LD_PRELOAD": str(library), "CLOCK_OFFSET_FILE": str(self._file)}

    def step(self, seconds: int) -> None:
        """Set it off by so many seconds."""
        with self._file.open("r+b") as file:  # in place: the process has mapped the file
            file.write(struct.pack("=q", seconds))

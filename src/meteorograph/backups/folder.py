"""The folder of a backup: its files, their checksums, and whether they are intact."""

from __future__ import annotations

import hashlib
import os
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import msgspec

from ..errors import BackupError
from ..private_files import make_private_file

DATABASE: Final = "meteorograph.db"
JOURNAL: Final = "journal"
_MANIFEST: Final = "backup.json"
#: In the format of ``sha256sum -c``.
_CHECKSUMS: Final = "SHA256SUMS"

NAME_FORMAT: Final = "%Y%m%dT%H%M%SZ"


class Manifest(msgspec.Struct, frozen=True):
    """What a backup contains."""

    #: When the backup was begun: rows stored later are not in it.
    made_at: datetime
    version: str
    #: Revision of the schema.
    schema: str
    #: Table → number of rows.
    rows: dict[str, int]


@dataclass(frozen=True, slots=True)
class Backup:
    """A complete backup."""

    folder: Path
    manifest: Manifest


def list_backups(folder: Path) -> list[Path]:
    """The folders of complete backups, oldest first; their checksums are not looked at."""
    return sorted(path for path in folder.iterdir() if _is_backup(path)) if folder.is_dir() else []


def last_backup(folder: Path) -> datetime | None:
    """When the newest complete backup was made; None without one."""
    backups = list_backups(folder)
    return made_at(backups[-1]) if backups else None


def _is_backup(path: Path) -> bool:
    try:
        made_at(path)
    except ValueError:
        return False
    return (path / _CHECKSUMS).is_file()


def made_at(path: Path) -> datetime:
    """When a backup was made, from the name of its folder.

    Raises:
        ValueError: The name is not that of a backup.
    """
    return datetime.strptime(path.name, NAME_FORMAT).replace(tzinfo=UTC)


def seal(folder: Path, manifest: Manifest) -> None:
    """Write the manifest and the checksums, and wait until everything is on the disk."""
    for name in (_MANIFEST, _CHECKSUMS):
        make_private_file(folder / name)
    (folder / _MANIFEST).write_bytes(msgspec.json.format(msgspec.json.encode(manifest), indent=1) + b"\n")
    lines = [f"{_checksum(path)}  {path.relative_to(folder)}\n" for path in _files(folder)]
    (folder / _CHECKSUMS).write_text("".join(lines))
    for path in (*sorted(folder.rglob("*")), folder):
        _sync(path)


def verify(folder: Path) -> Backup:
    """Read a backup again: every checksum, the database's own integrity check, and the number of its rows.

    Raises:
        BackupError: A file is missing, new or changed, or the database is damaged.
    """
    try:
        lines = (folder / _CHECKSUMS).read_text().splitlines()
        expected = {name: checksum for checksum, _, name in (line.partition("  ") for line in lines)}
        found = {str(path.relative_to(folder)) for path in _files(folder)}
        for name in sorted(found ^ expected.keys()):
            raise BackupError(folder, f"the file {name} {'is missing' if name in expected else 'does not belong to it'}")
        for name, checksum in expected.items():
            if _checksum(folder / name) != checksum:
                raise BackupError(folder, f"the file {name} was changed or is damaged")
        manifest = msgspec.json.decode((folder / _MANIFEST).read_bytes(), type=Manifest)
    except (OSError, UnicodeDecodeError, msgspec.MsgspecError) as error:
        raise BackupError(folder, str(error)) from error
    if (rows := count_rows(folder, folder / DATABASE)) != manifest.rows:
        raise BackupError(folder, f"the database has {sum(rows.values())} rows instead of {sum(manifest.rows.values())}")
    return Backup(folder, manifest)


def count_rows(folder: Path, path: Path) -> dict[str, int]:
    """Table → number of rows of a database file.

    Raises:
        BackupError: The database is damaged.
    """
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro&immutable=1", uri=True)) as connection:
            [(verdict,), *_] = connection.execute("PRAGMA integrity_check(1)").fetchall()
            if verdict != "ok":
                raise BackupError(folder, f"the database is damaged: {verdict}")
            return rows_of(connection)
    except sqlite3.Error as error:
        raise BackupError(folder, f"the database is damaged: {error}") from error


def rows_of(connection: sqlite3.Connection) -> dict[str, int]:
    """Table → number of rows."""
    tables = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'").fetchall()
    return {name: connection.execute(f'SELECT count(*) FROM "{name}"').fetchone()[0] for (name,) in tables}  # noqa: S608  # from the schema


def _files(folder: Path) -> list[Path]:
    """The files of a backup, but for the checksums."""
    return sorted(path for path in folder.rglob("*") if path.is_file() and path != folder / _CHECKSUMS)


def _checksum(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)

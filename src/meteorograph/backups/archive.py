"""The files of sealed months in a backup, and back."""

from __future__ import annotations

import hashlib
import os
import shutil
import sqlite3
from contextlib import closing, suppress
from pathlib import Path
from typing import Final

from ..config.settings import Settings
from ..errors import BackupError
from ..private_files import make_private_file, make_private_folder

ARCHIVE: Final = "archive"


def copy_archive(settings: Settings, database: Path, target: Path, previous: Path | None) -> None:
    """Copy the files that a copied database refers to; those that the previous backup has too share their space with it.

    Raises:
        BackupError: A file is missing or damaged: a backup without its rows would be none.
    """
    with closing(sqlite3.connect(f"{database.absolute().as_uri()}?mode=ro&immutable=1", uri=True)) as connection:
        query = "SELECT name, sha256 FROM archive_files WHERE sealed_at IS NOT NULL AND emptied_at IS NULL ORDER BY name"
        files: list[tuple[str, str]] = connection.execute(query).fetchall()
    if not files:
        return
    target.mkdir(0o700)
    for name, sha256 in files:
        if previous is not None and _checksum(previous / ARCHIVE / name) == sha256:
            with suppress(OSError):  # a file system without hard links
                os.link(previous / ARCHIVE / name, target / name)
                continue
        source = settings.archive_dir / name
        if not source.exists():
            raise BackupError(target.parent, f"the archive file {name} is missing in {settings.archive_dir}")
        make_private_file(target / name)
        shutil.copyfile(source, target / name)
        if _checksum(target / name) != sha256:
            raise BackupError(target.parent, f"the archive file {name} is damaged")


def restore_archive(settings: Settings, folder: Path) -> None:
    """Add the files of a backup; one that is there and differs is replaced."""
    if not folder.is_dir():
        return
    make_private_folder(settings.archive_dir)
    for source in sorted(folder.iterdir()):
        target = settings.archive_dir / source.name
        if _checksum(target) != _checksum(source):
            copy = target.with_name(f".{target.name}.part")
            make_private_file(copy)
            shutil.copyfile(source, copy)
            copy.replace(target)


def _checksum(path: Path) -> str | None:
    """SHA-256 of a file; None without one."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError:
        return None

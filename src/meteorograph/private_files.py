"""Make files and folders that only their owner may read: they hold payloads, positions and, in tracebacks, more."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import Final

_FILE_MODE: Final = 0o600
_FOLDER_MODE: Final = 0o700


def make_private_folder(path: Path) -> None:
    """Make a folder and the missing ones above it, for their owner alone. Existing folders keep their mode.

    Raises:
        OSError: It cannot be made, or the path is no folder.
    """
    missing = [folder for folder in (path, *path.parents) if not folder.exists()]
    for folder in reversed(missing):
        folder.mkdir(_FOLDER_MODE, exist_ok=True)
    path.mkdir(_FOLDER_MODE, exist_ok=True)  # raises if there is a file instead


def make_private_file(path: Path) -> None:
    """Make an empty file for its owner alone, unless it exists: whoever opens it later keeps its mode.

    An existing file is not opened: closing it would release every lock that this process holds on it (POSIX), such as SQLite's.

    Raises:
        OSError: It cannot be made.
    """
    with suppress(FileExistsError):
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, _FILE_MODE))

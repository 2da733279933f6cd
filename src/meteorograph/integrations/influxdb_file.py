"""Appends rows in line protocol to a file, for the tail input of Telegraf."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from ..config.settings import Settings
from .line_protocol import to_line
from .receiver import Kind, ReceiverError, StoredRow

#: Length from which the file is set aside as ``NAME.1``, in place of the one before [bytes]. A reader that follows it reads it to
#: its end first.
MAX_BYTES: Final = 50_000_000


class FileReceiver:
    """Opens the file for each batch, so that another program may move it away."""

    def __init__(self, settings: Settings) -> None:
        assert settings.influxdb_file is not None
        self._path: Path = settings.influxdb_file

    def keep_up(self) -> None:
        """Does nothing."""

    def send(self, rows: Sequence[StoredRow]) -> list[str]:
        """Append rows, and return once they are on the disk."""
        text = "".join(f"{to_line(row)}\n" for row in rows).encode()
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            if self._path.exists() and self._path.stat().st_size >= MAX_BYTES:
                self._path.replace(f"{self._path}.1")
            with self._path.open("ab+", buffering=0) as file:
                if file.seek(0, os.SEEK_END):
                    file.seek(-1, os.SEEK_END)
                    if file.read(1) != b"\n":  # a full disk or a crash has cut the last line, which comes again
                        text = b"\n" + text
                while text:
                    text = text[file.write(text) or 0 :]
                os.fsync(file.fileno())
        except OSError as error:
            raise ReceiverError(f"{self._path}: {error.strerror}") from error
        return []

    def close(self) -> None:
        """Does nothing: the file is closed."""


INFLUXDB_FILE: Final = Kind("influxdb_file", lambda settings: settings.influxdb_file, FileReceiver)

"""Opens the file of an import: finds out its format and gives its rows."""

from __future__ import annotations

import gzip
import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import BinaryIO, Final

from ..errors import HistoryFileError
from .csv_file import read_csv
from .entries import Source
from .mapping import CSVLayout

_SQLITE: Final = b"SQLite format 3\0"
_GZIP: Final = b"\x1f\x8b"


class ImportFormat(StrEnum):
    """What a file is."""

    #: A table whose columns the user names.
    CSV = "csv"


@dataclass(frozen=True, slots=True)
class ImportOptions:
    """What the user says of a file."""

    #: Provider of the rows: ``import:`` and a name.
    provider: str
    #: Time of the import (aware UTC).
    now: datetime
    #: How to read a CSV file.
    layout: CSVLayout


def detect_format(path: Path) -> ImportFormat:
    """The format of a file, by its content.

    Raises:
        HistoryFileError: It shows none.
    """
    with path.open("rb") as file:
        head = file.read(len(_SQLITE))
    if head == _SQLITE:
        raise HistoryFileError(f"{path}: is a database of an unknown program")
    return ImportFormat.CSV


@contextmanager
def open_source(path: Path, format: ImportFormat, options: ImportOptions) -> Iterator[Source]:
    """Context with the rows of a file.

    Raises:
        HistoryFileError: The file is not what it is said to be.
    """
    try:
        with open_lines(path) as lines:
            yield read_csv(lines, options.layout, options.provider, options.now)
    except (HistoryFileError, EOFError, gzip.BadGzipFile) as error:
        raise HistoryFileError(f"{path}: {error}") from None


@contextmanager
def open_lines(path: Path) -> Iterator[BinaryIO]:
    """Context with a file to read, unpacked if it is compressed with gzip."""
    with path.open("rb") as file:
        is_packed = file.read(len(_GZIP)) == _GZIP
        file.seek(0)
        if is_packed:
            with gzip.GzipFile(fileobj=file) as unpacked:
                yield io.BufferedReader(unpacked)
        else:
            yield file

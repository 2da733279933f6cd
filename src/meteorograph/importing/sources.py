"""Opens the file of an import: finds out its format and gives its rows."""

from __future__ import annotations

import gzip
import io
import sqlite3
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import BinaryIO, Final

from ..errors import HistoryFileError
from . import meteostat, own_export
from .csv_file import read_csv
from .entries import Source
from .foreign_database import columns_of, open_read_only
from .home_assistant import StatisticMapping, read_statistics
from .mapping import CSVLayout
from .script_database import ScriptOptions, read_script_database
from .weewx import read_weewx

_SQLITE: Final = b"SQLite format 3\0"
_PARQUET: Final = b"PAR1"
_GZIP: Final = b"\x1f\x8b"
_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"


class ImportFormat(StrEnum):
    """What a file is."""

    #: A table whose columns the user names.
    CSV = "csv"
    #: An export of the service itself: CSV, lines of JSON or Parquet.
    EXPORT = "export"
    #: The archive of WeeWX, in SQLite.
    WEEWX = "weewx"
    #: The recorder's database of Home Assistant, in SQLite.
    HOME_ASSISTANT = "home-assistant"
    #: A bulk hourly file of Meteostat.
    METEOSTAT = "meteostat"
    #: The database of the script that Meteorograph grew out of, in SQLite.
    SCRIPT = "script"


#: The formats whose rows name no location.
WITHOUT_LOCATION: Final = (ImportFormat.WEEWX, ImportFormat.HOME_ASSISTANT, ImportFormat.METEOSTAT)

#: Format → table by which a database shows it.
_TABLES: Final = {
    ImportFormat.HOME_ASSISTANT: "statistics_meta",
    ImportFormat.WEEWX: "archive",
    ImportFormat.SCRIPT: "weather_data",
}


@dataclass(frozen=True, slots=True)
class ImportOptions:
    """What the user says of a file."""

    #: Provider of the rows: ``import:`` and a name.
    provider: str
    #: Time of the import (aware UTC).
    now: datetime
    #: How to read a CSV file.
    layout: CSVLayout
    #: How to read the database of the script.
    script: ScriptOptions
    #: The statistics of Home Assistant.
    statistics: Sequence[StatisticMapping] = ()
    #: Whether modelled values of Meteostat are imported.
    with_model: bool = False


def detect_format(path: Path) -> ImportFormat:
    """The format of a file, by its content.

    Raises:
        HistoryFileError: It shows none.
    """
    with path.open("rb") as file:
        head = file.read(len(_SQLITE))
    if head == _SQLITE:
        return _detect_database(path)
    if head.startswith(_PARQUET):
        return ImportFormat.EXPORT
    with _reporting(path), open_lines(path) as lines:
        first = lines.readline(4096).removeprefix(_BYTE_ORDER_MARK)
    if first.startswith((b"{", ",".join(own_export.FIRST_COLUMNS).encode())):
        return ImportFormat.EXPORT
    if first.startswith(",".join(meteostat.FIRST_COLUMNS).encode()):
        return ImportFormat.METEOSTAT
    return ImportFormat.CSV


def _detect_database(path: Path) -> ImportFormat:
    with _reporting(path), open_read_only(path) as database:
        for format, table in _TABLES.items():
            if columns_of(database, table):
                return format
    raise HistoryFileError(f"{path}: is a database without a table {', '.join(_TABLES.values())}: of no known program")


@contextmanager
def open_source(path: Path, format: ImportFormat, options: ImportOptions) -> Iterator[Source]:
    """Context with the rows of a file.

    Raises:
        HistoryFileError: The file is not what it is said to be.
        ConfigurationError: The format needs a package that is not installed.
    """
    with _reporting(path):
        if format in _TABLES:
            with open_read_only(path) as database:
                yield _read_database(database, format, options)
        elif format is ImportFormat.EXPORT and _is_parquet(path):
            yield own_export.read_parquet_export(path, options.provider, options.now)
        else:
            with open_lines(path) as lines:
                yield _read_lines(lines, format, options)


def _read_database(database: sqlite3.Connection, format: ImportFormat, options: ImportOptions) -> Source:
    match format:
        case ImportFormat.WEEWX:
            return read_weewx(database, options.provider, options.now)
        case ImportFormat.HOME_ASSISTANT:
            return read_statistics(database, options.statistics, options.provider, options.now)
        case _:
            return read_script_database(database, options.script, options.provider, options.now)


def _read_lines(lines: BinaryIO, format: ImportFormat, options: ImportOptions) -> Source:
    match format:
        case ImportFormat.EXPORT:
            is_json = lines.peek(1).lstrip()[:1] == b"{" if isinstance(lines, io.BufferedReader) else False
            read = own_export.read_ndjson_export if is_json else own_export.read_csv_export
            return read(lines, options.provider, options.now)
        case ImportFormat.METEOSTAT:
            return meteostat.read_meteostat(lines, options.provider, options.now, with_model=options.with_model)
        case _:
            return read_csv(lines, options.layout, options.provider, options.now)


def _is_parquet(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(len(_PARQUET)) == _PARQUET


@contextmanager
def _reporting(path: Path) -> Iterator[None]:
    """Context whose errors name the file."""
    try:
        yield
    except (HistoryFileError, EOFError, gzip.BadGzipFile, zlib.error, sqlite3.Error) as error:
        if str(error).startswith(str(path)):
            raise
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

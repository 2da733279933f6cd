"""The names of journal files, which contain their hour and process."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Final

SUFFIX: Final = ".journal"
HOUR_FORMAT: Final = "%Y%m%dT%HZ"


def journal_files(folder: Path) -> list[Path]:
    """The journal files in a folder, sorted by hour."""
    return sorted(path for path in folder.glob(f"*{SUFFIX}") if is_journal_name(path.name)) if folder.is_dir() else []


def is_journal_name(name: str) -> bool:
    """Whether a file of this name belongs to the journal."""
    try:
        hour_of_file(Path(name))
    except ValueError:
        return False
    return True


def hour_of_file(path: Path) -> datetime:
    """The start of the hour of a journal file (aware UTC).

    Raises:
        ValueError: The name is not that of a journal file.
    """
    return datetime.strptime(path.name.partition("-")[0], HOUR_FORMAT).replace(tzinfo=UTC)

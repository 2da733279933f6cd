"""The rows of a location file: valid ones with their fields, invalid ones with the reason."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from ..errors import InvalidLocationError
from .fields import check_fields

#: Most rows of a file, and most bad rows that are kept.
MAX_ROWS: Final = 200_000
MAX_BAD_ROWS: Final = 1000

#: Messages truncate longer names [characters].
_MAX_SHOWN: Final = 60


@dataclass(frozen=True, slots=True)
class FileRow:
    """A valid row of a file."""

    #: Line on which the row starts, from 1.
    line: int
    #: Values in canonical form, by field name; only the fields that the file has.
    values: dict[str, Any]
    #: Number of the feature in a GeoJSON file, from 1; 0 in a CSV file.
    feature: int = 0

    @property
    def place(self) -> str:
        """Where the row is in its file. All features of a GeoJSON file may be on one line."""
        return f"line {self.line}, feature {self.feature}" if self.feature else f"line {self.line}"


@dataclass(frozen=True, slots=True)
class BadRow:
    """An invalid row of a file, and the reason."""

    line: int
    #: What is wrong; for a feature of a GeoJSON file with its number and its name.
    reason: str

    def __str__(self) -> str:
        return f"line {self.line}: {self.reason}"


def check_row(line: int, values: Mapping[str, object], feature: int = 0) -> FileRow | BadRow:
    """The row with these values by field name, after a check of each."""
    try:
        return FileRow(line, check_fields(values), feature)
    except InvalidLocationError as error:
        return bad_row(line, str(error), feature, values.get("name"))


def bad_row(line: int, reason: str, feature: int = 0, name: object = None) -> BadRow:
    """An invalid row; a feature of a GeoJSON file is named by its number and, if it has one, its name."""
    if not feature:
        return BadRow(line, reason)
    shown = f" ({name[:_MAX_SHOWN]!r})" if isinstance(name, str) and name.strip() else ""
    return BadRow(line, f"feature {feature}{shown}: {reason}")

"""The rows of a source: those that can be stored, and those that are refused, with the reason."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, NamedTuple

from ..model.quantities import BY_NAME
from ..model.values import Observation

#: Reasons truncate longer values [characters].
_MAX_SHOWN: Final = 60


class ImportedRow(NamedTuple):
    """A row that can be stored."""

    #: Line of the file, or number of the row in its database.
    line: int
    #: Name of the location; None for the location that the user names.
    location: str | None
    #: Slot of the row (aware UTC).
    due_at: datetime
    observation: Observation


class RefusedRow(NamedTuple):
    """A row that cannot be stored, and the reason: the field, its value, and what is allowed."""

    line: int
    reason: str


Entry = ImportedRow | RefusedRow


class Sample(NamedTuple):
    """What the first value of a column becomes, to show the units."""

    column: str
    given: str
    stored: str


@dataclass(slots=True)
class Source:
    """The rows of a file or of a database, with what the preview says of them. The rest is complete when all rows are read."""

    entries: Iterator[Entry]
    #: What ``line`` counts.
    line_word: str = "line"
    #: What was left out, and other facts to know before the rows are stored: text → number of cases; 0 for a plain note.
    notes: dict[str, int] = field(default_factory=dict)
    #: Column and unit → sample.
    samples: dict[tuple[str, str], Sample] = field(default_factory=dict)
    _zeros: set[tuple[str, str]] = field(default_factory=set)
    #: Whether further rows of a slot are left out with a note, instead of refused.
    keeps_first: bool = False

    def note(self, text: str, cases: int = 1) -> None:
        """Count a case of a note."""
        self.notes[text] = self.notes.get(text, 0) + cases

    def show(self, column: str, unit: str, given: object, quantity: str, value: float, per: str = "") -> None:
        """Keep the first value of a column and unit as a sample, but rather one that is not 0, which is 0 in every unit."""
        key = (column, unit)
        if key in self.samples and not (value and key in self._zeros):
            return
        (self._zeros.discard if value else self._zeros.add)(key)
        stored = f"{quantity} {value:g} {BY_NAME[quantity].unit}{per}"
        self.samples[key] = Sample(column, f"{given} {unit}".strip(), stored)


def make_observation(
    provider: str,
    now: datetime,
    observed_at: datetime,
    values: Mapping[str, Any],
    precipitation_period: int | None = None,
    flags: dict[str, list[str]] | None = None,
) -> Observation:
    """An imported observation from canonical values by quantity."""
    return Observation(
        provider=provider,
        fetched_at=now,
        observed_at=observed_at,
        precipitation_period=precipitation_period,
        flags=flags or {},
        **values,
    )


def refusal(field: str, value: object, allowed: str) -> str:
    """The reason of a refused row."""
    text = str(value)
    shown = text if len(text) <= _MAX_SHOWN else f"{text[:_MAX_SHOWN]}…"
    return f"{field}={shown!r}: {allowed}"

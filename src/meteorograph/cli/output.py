"""Output of the commands: tables, JSON, and errors as one line on stderr."""

from __future__ import annotations

import json
import sys
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal

import click

from ..redaction import redact

#: Rows that rich lays out at most. It needs 1 ms of CPU time for a row of nine columns: 10 s for 10,000 locations.
_MAX_RICH_ROWS: Final = 1000

#: What a column keeps whose cells are broken into lines [characters].
_MIN_WIDTH: Final = 10

_GOOD: Final = ("active", "succeeded", "enough", "ok")
_DOUBTFUL: Final = (
    "partial", "paused", "skipped", "pending", "pending activation", "running", "degraded", "starting", "silent", "warning",
)  # fmt: skip
_BAD: Final = (
    "failed", "missed", "invalid", "expired", "blocked", "plan missing", "unrecoverable", "NOT ENOUGH", "failing", "problem",
    "firing",
)  # fmt: skip
_STYLES: Final = dict.fromkeys(_GOOD, "green") | dict.fromkeys(_DOUBTFUL, "yellow") | dict.fromkeys(_BAD, "red")


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table."""

    title: str = ""
    is_number: bool = False
    #: Whether its cells are states, which are coloured on a terminal.
    is_state: bool = False
    #: Whether a terminal that is too narrow breaks its cells into lines.
    wraps: bool = False


def print_table(columns: Sequence[Column], rows: Sequence[Sequence[str]]) -> None:
    """Print rows in columns that are as wide as their cells; columns without a value are left out.

    A terminal gets colours and its own width. Other outputs get plain text of any width. ``NO_COLOR`` is respected.
    """
    used = [place for place in range(len(columns)) if any(row[place] for row in rows)]
    columns = [columns[place] for place in used]
    rows = [[row[place] for place in used] for row in rows]
    if not (sys.stdout.isatty() and len(rows) <= _MAX_RICH_ROWS and _print_with_rich(columns, rows)):
        _print_plain(columns, rows)


def _print_plain(columns: Sequence[Column], rows: Sequence[Sequence[str]]) -> None:
    titles = [column.title for column in columns]
    lines = [titles, *rows] if any(titles) else rows
    widths = [max(map(len, cells)) for cells in zip(*lines, strict=True)]
    for line in lines:
        cells = (
            cell.rjust(width) if column.is_number else cell.ljust(width)
            for cell, width, column in zip(line, widths, columns, strict=True)
        )
        click.echo("  ".join(cells).rstrip())


def _print_with_rich(columns: Sequence[Column], rows: Sequence[Sequence[str]]) -> bool:
    """Print a table for the terminal; False, with nothing printed, if it is too narrow: rich would leave columns out."""
    # Imported here: `meteorograph --help` and piped commands start faster without rich.
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(highlight=False)
    table = Table(box=None, pad_edge=False, show_header=any(column.title for column in columns), header_style="bold")
    needed = 2 * (len(columns) - 1)
    for column, *cells in zip(columns, *rows, strict=True):
        longest = max(map(len, (column.title, *cells)))
        least = min(longest, _MIN_WIDTH) if column.wraps else longest
        justify: Literal["left", "right"] = "right" if column.is_number else "left"
        table.add_column(column.title, justify=justify, no_wrap=not column.wraps, overflow="fold", min_width=least)
        needed += least
    if needed > console.width:
        return False
    for row in rows:
        table.add_row(
            *(Text(cell, _STYLES.get(cell, "") if column.is_state else "") for cell, column in zip(row, columns, strict=True))
        )
    console.print(table)
    return True


def age_text(instant: datetime | None, now: datetime) -> str:
    """How long ago an instant was, such as ``3 h ago``; empty for None."""
    if instant is None:
        return ""
    seconds = max(0, int((now - instant).total_seconds()))
    for length, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= 2 * length:
            return f"{seconds // length} {unit} ago"
    return f"{seconds} s ago"


def print_json(value: Any) -> None:
    """Print a value as indented JSON."""
    click.echo(json.dumps(value, ensure_ascii=False, indent=1))


def complain(line: str) -> None:
    """Write one line to stderr, without secrets."""
    click.echo(f"meteorograph: {redact(' '.join(line.split()))}", err=True)


def report_error(error: Exception, line: str) -> None:
    """Write an error in one line to stderr; ``--debug`` puts its traceback before the line."""
    if "--debug" in sys.argv[1:2]:
        click.echo(redact("".join(traceback.format_exception(error))), err=True)
    complain(line)

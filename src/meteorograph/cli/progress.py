"""Progress of long commands on stderr: bars on a terminal, plain lines now and then elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self

import click

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

#: Time between two plain lines [s].
PLAIN_SECONDS: Final = 5.0

#: Time between two updates of a bar [s]: an update may read the quotas from the database.
_LIVE_SECONDS: Final = 0.2


class CollectionProgress:
    """How many locations or slots are done: ``512/1000, 431/s, 2 failed, 4,488 calls left this minute``.

    Args:
        suffix: Gives the last part of the line.
    """

    def __init__(self, suffix: Callable[[], str] = str) -> None:
        self._suffix = suffix
        self._started = time.monotonic()
        self._printed = 0.0
        self._counts = (0, 0, 0)
        self._bar: tuple[Progress, TaskID] | None = None

    def __enter__(self) -> Self:
        if sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import BarColumn, Progress, TextColumn

            bar = Progress(BarColumn(24), TextColumn("{task.description}", markup=False), console=Console(stderr=True))
            self._bar = (bar, bar.add_task("", total=None))
            bar.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._print()
        if self._bar is not None:
            self._bar[0].stop()

    def update(self, total: int, done: int, failed: int) -> None:
        """Set the counts, and show them if the last time is long enough ago."""
        self._counts = (total, done, failed)
        now = time.monotonic()
        if now - self._printed >= (PLAIN_SECONDS if self._bar is None else _LIVE_SECONDS):
            self._printed = now
            self._print()

    def _print(self) -> None:
        total, stored, failed = self._counts
        done = stored + failed
        rate = done / max(time.monotonic() - self._started, 0.001)
        parts = (f"{done}/{total}", f"{rate:,.0f}/s", f"{failed} failed", self._suffix())
        line = ", ".join(part for part in parts if part)
        if self._bar is None:
            click.echo(line, err=True)
        else:
            bar, task = self._bar
            bar.update(task, total=total, completed=done, description=line)


@contextmanager
def show_bar(label: str, *, is_hidden: bool = False) -> Iterator[Callable[[int, int], None]]:
    """Show a bar if stderr is a terminal; gives the function that sets how much is done, and of how much."""
    if is_hidden or not sys.stderr.isatty():
        yield lambda done, total: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task(label, total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total)


@contextmanager
def show_count(label: str, noun: str) -> Iterator[Callable[[int], None]]:
    """Show a number without an end that is known, if stderr is a terminal; gives the function that sets it."""
    if not sys.stderr.isatty():
        yield lambda count: None
        return
    from rich.console import Console

    console = Console(stderr=True)
    with console.status(label) as status:
        yield lambda count: status.update(f"{label} {count:,} {noun}")

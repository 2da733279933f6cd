"""How far a command has come, on stderr: a live line on a terminal, plain lines now and then otherwise."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Final

import click

#: How often a plain line is written where there is no terminal [s].
PLAIN_SECONDS: Final = 5.0
_LIVE_SECONDS: Final = 0.2
_WIDTH: Final = 24


class Progress:
    """Tells how far it has come: ``[#####---] 512/1000, 431/s, 2 failed, 4,488 calls left this minute``.

    Args:
        more: Gives what to say after that.
    """

    def __init__(self, more: Callable[[], str] = str) -> None:
        self._more = more
        self._live = sys.stderr.isatty()
        self._began = time.monotonic()
        self._told = 0.0
        self._last = (0, 0, 0)

    def __call__(self, total: int, done: int, failed: int) -> None:
        """Note how far it has come, and tell it when it is time to."""
        self._last = (total, done, failed)
        now = time.monotonic()
        if now - self._told >= (_LIVE_SECONDS if self._live else PLAIN_SECONDS):
            self._told = now
            click.echo(f"\r\x1b[2K{self._line()}" if self._live else self._line(), err=True, nl=not self._live)

    def end(self) -> None:
        """Tell the last state, and leave the line."""
        click.echo(f"\r\x1b[2K{self._line()}" if self._live else self._line(), err=True)

    def _line(self) -> str:
        total, stored, failed = self._last
        done = stored + failed
        filled = _WIDTH * done // total if total else _WIDTH
        rate = done / max(time.monotonic() - self._began, 0.001)
        parts = [f"{done}/{total}", f"{rate:,.0f}/s", f"{failed} failed", self._more()]
        bar = f"[{'#' * filled}{'-' * (_WIDTH - filled)}] " if self._live else ""
        return bar + ", ".join(part for part in parts if part)

"""``meteorograph ingest --all``: every active location at once, with a live line on a terminal and plain lines otherwise."""

from __future__ import annotations

import json
import signal
import sys
import threading
import time
from typing import Final

import click

from . import clock, quota
from .collect import collect_now
from .db import get_db_session, init_db
from .errors import MeteorographError, ProviderClosedError
from .ingest import run_async
from .redaction import redact
from .settings import Settings, get_settings
from .sources import require_key

#: How often a plain line is written where there is no terminal [s].
PLAIN_SECONDS: Final = 5.0
#: Failures that are told one by one.
SHOWN: Final = 20
_LIVE_SECONDS: Final = 0.2
_WIDTH: Final = 24


class _Progress:
    """Tells on stderr how far it has come: ``[#####---] 512/1000 · 431/s · 2 failed · 4,488 calls left this minute``."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._live = sys.stderr.isatty()
        self._began = time.monotonic()
        self._told = 0.0
        self._last = (0, 0, 0)

    def __call__(self, total: int, stored: int, failed: int) -> None:
        """Note how far it has come, and tell it when it is time to."""
        self._last = (total, stored, failed)
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
        parts = [f"{done}/{total}", f"{rate:,.0f}/s", f"{failed} failed", self._quota_left()]
        bar = f"[{'#' * filled}{'-' * (_WIDTH - filled)}] " if self._live else ""
        return bar + ", ".join(part for part in parts if part)

    def _quota_left(self) -> str:
        provider = self._settings.providers[0]
        try:
            with get_db_session(read_only=True) as session:
                windows = quota.usage(session, provider, self._settings.limits(provider), clock.now())
        except MeteorographError:
            return ""
        tightest = min(windows, key=lambda window: window.limit - window.used, default=None)
        return f"{tightest.limit - tightest.used:,} calls left this {tightest.window}" if tightest else ""


def ingest_all(*, as_json: bool) -> int:
    """Collect every active location now; gives the exit code."""
    settings = get_settings()
    require_key(settings)
    init_db()
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    progress = _Progress(settings)
    closed: ProviderClosedError | None = None
    stored, failed = 0, dict[str, str]()

    def told(total: int, stored_now: int, failed_now: int) -> None:
        nonlocal stored
        stored = stored_now
        progress(total, stored_now, failed_now)

    try:
        failed = run_async(collect_now(settings, stop, told))
    except ProviderClosedError as error:
        closed = error
    progress.end()
    for name, detail in list(failed.items())[:SHOWN]:
        click.echo(f"meteorograph: {name}: {redact(detail)}", err=True)
    if len(failed) > SHOWN:
        click.echo(f"meteorograph: and {len(failed) - SHOWN} more", err=True)
    if closed:
        click.echo(f"meteorograph: {redact(str(closed))}; again from {closed.retry_at:%Y-%m-%d %H:%M:%S} UTC", err=True)
    summary = {"stored": stored, "failed": len(failed), "stopped": stop.is_set()}
    click.echo(json.dumps(summary) if as_json else f"{stored} stored, {len(failed)} failed")
    return 1 if failed or closed or stop.is_set() else 0

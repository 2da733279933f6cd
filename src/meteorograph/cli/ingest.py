"""``meteorograph ingest --all``: every active location at once, with a live line on a terminal and plain lines otherwise."""

from __future__ import annotations

import json
import signal
import threading
from typing import Final

import click

from ..accounts import quota
from ..collecting.event_loop import run_async
from ..collecting.run import collect_now
from ..collecting.run_context import require_key
from ..config.loading import get_settings
from ..config.settings import Settings
from ..errors import MeteorographError, ProviderClosedError
from ..model import clock
from ..redaction import redact
from ..storage.engine import get_db_session, init_db
from .progress import Progress

#: Failures that are told one by one.
SHOWN: Final = 20


def ingest_all(*, as_json: bool) -> int:
    """Collect every active location now; gives the exit code."""
    settings = get_settings()
    require_key(settings)
    init_db()
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    progress = Progress(lambda: _quota_left(settings))
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


def _quota_left(settings: Settings) -> str:
    provider = settings.providers[0]
    try:
        with get_db_session(read_only=True) as session:
            windows = quota.usage(session, settings.account(provider), clock.now())
    except MeteorographError:
        return ""
    tightest = min(windows, key=lambda window: window.limit - window.used, default=None)
    return f"{tightest.limit - tightest.used:,} calls left this {tightest.window}" if tightest else ""

"""``meteorograph ingest --all``: collect every active location now, with progress."""

from __future__ import annotations

import json
import signal
import threading
from contextlib import suppress
from typing import Final

import click

from ..accounts import quota
from ..collecting.event_loop import run_async
from ..collecting.run import collect_now
from ..collecting.run_context import require_key
from ..config.loading import get_settings
from ..config.settings import Settings
from ..errors import MeteorographError, ProviderClosedError, StoreError
from ..model import clock
from ..model.words import counted
from ..storage.counters import COUNTERS
from ..storage.engine import get_db_session, init_db
from .output import complain
from .progress import CollectionProgress

#: Failures that are printed; the others are counted.
MAX_FAILURES_SHOWN: Final = 20


def ingest_all(*, as_json: bool) -> int:
    """Collect every active location now; gives the exit code."""
    settings = get_settings()
    require_key(settings)
    init_db()
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    closed: ProviderClosedError | None = None
    stored_count, failures = 0, dict[str, str]()

    with CollectionProgress(lambda: _remaining_calls(settings)) as progress:

        def show(total: int, stored: int, failed: int) -> None:
            nonlocal stored_count
            stored_count = stored
            progress.update(total, stored, failed)

        try:
            failures = run_async(collect_now(settings, stop, show))
        except ProviderClosedError as error:
            closed = error
    with suppress(StoreError):  # they are lost, but the rows are stored
        COUNTERS.record()
    for name, detail in list(failures.items())[:MAX_FAILURES_SHOWN]:
        complain(f"{name}: {detail}")
    if len(failures) > MAX_FAILURES_SHOWN:
        complain(f"and {len(failures) - MAX_FAILURES_SHOWN} more")
    if closed:
        complain(f"{closed}; again from {closed.retry_at:%Y-%m-%d %H:%M:%S} UTC")
    summary = {"stored": stored_count, "failed": len(failures), "stopped": stop.is_set()}
    click.echo(json.dumps(summary) if as_json else f"{stored_count} stored, {len(failures)} failed")
    return 1 if failures or closed or stop.is_set() else 0


def _remaining_calls(settings: Settings) -> str:
    """The remaining calls of the first provider in the window that has the fewest."""
    provider = settings.providers[0]
    try:
        with get_db_session(read_only=True) as session:
            windows = quota.usage(session, settings.account(provider), clock.now())
    except MeteorographError:
        return ""
    tightest = min(windows, key=lambda window: window.limit - window.used, default=None)
    return f"{counted(tightest.limit - tightest.used, 'call')} left this {tightest.window}" if tightest else ""

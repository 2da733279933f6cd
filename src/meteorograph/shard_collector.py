"""Collect the shards of jobs on one event loop with one HTTP client, whose connections then serve one shard after the other."""

from __future__ import annotations

import asyncio
import threading
import time
from concurrent.futures import Future
from contextlib import AsyncExitStack
from typing import Final, Self

from . import tick
from .collecting.event_loop import run_async
from .collecting.http import Fetcher, make_fetcher
from .config.loading import get_settings
from .config.settings import Settings
from .errors import StoreError
from .ledger import dispatch
from .log_output import get_logger
from .model.schedule import Interval

log = get_logger(__name__)

#: A client that was not used for so long is replaced: proxies and certificates may have changed, connections may be dead [s].
_IDLE_SECONDS: Final = 30.0


class ShardCollector:
    """A thread with an event loop that collects shards; use it as a context manager. Not used again after its end.

    Args:
        stop: Set from outside to let shards at hand end early.
    """

    def __init__(self, stop: threading.Event) -> None:
        self._stop = stop
        self._loop: asyncio.AbstractEventLoop | None = None
        self._is_ready = threading.Event()
        self._end: asyncio.Event | None = None
        self._thread = threading.Thread(target=lambda: run_async(self._live()), name="shards", daemon=True)
        #: The client, how many shards use it, when it was used last, and the settings that it was made with.
        self._client = AsyncExitStack()
        self._fetcher: Fetcher | None = None
        self._users = 0
        self._used_at = 0.0
        self._made_with: Settings | None = None

    def __enter__(self) -> Self:
        self._thread.start()
        self._is_ready.wait()
        return self

    def __exit__(self, *_: object) -> None:
        assert self._loop is not None
        assert self._end is not None
        self._loop.call_soon_threadsafe(self._end.set)
        self._thread.join()

    def submit(self, run_id: int, number: int) -> Future[None]:
        """Begin to collect a shard; from any thread."""
        assert self._loop is not None
        return asyncio.run_coroutine_threadsafe(self._collect(run_id, number), self._loop)

    async def _live(self) -> None:
        self._loop, self._end = asyncio.get_running_loop(), asyncio.Event()
        self._is_ready.set()
        await self._end.wait()
        await self._client.aclose()

    async def _collect(self, run_id: int, number: int) -> None:
        """Collect a shard, if no other process has it and its slot is not over. Never raises: the ledger has the outcome."""
        if self._stop.is_set():
            return
        try:
            settings = get_settings()
            claim = await asyncio.to_thread(dispatch.claim_shard, run_id, number, Interval(settings.interval))
            if claim is None:
                return
            tick.TICK_MEMORY.has_collected = True
            self._users += 1
            try:
                await tick.collect_claim(claim, settings, self._stop, await self._open_client(settings))
            finally:
                self._users, self._used_at = self._users - 1, time.monotonic()
        except StoreError as error:
            log.warning("a shard waits for the database", run_id=run_id, shard=number, reason=str(error))
        except Exception:
            log.exception("a shard could not be collected", run_id=run_id, shard=number)

    async def _open_client(self, settings: Settings) -> Fetcher:
        """The client; a new one where the last one is old, or other settings are in force, and no shard uses it."""
        is_old = settings is not self._made_with or time.monotonic() - self._used_at > _IDLE_SECONDS
        if self._fetcher is not None and is_old and self._users == 1:
            self._fetcher = None
            await self._client.aclose()
        if self._fetcher is None:
            self._fetcher, self._made_with = make_fetcher(settings, settings.concurrency), settings
            await self._client.enter_async_context(self._fetcher)
        return self._fetcher

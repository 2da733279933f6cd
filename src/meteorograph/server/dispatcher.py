"""Threads of the web server, in groups, so that no kind of request keeps another kind waiting; and what is too much."""

from __future__ import annotations

import time
from collections import deque
from typing import Any, Final

from waitress.task import ThreadedTaskDispatcher

from ..logs import get_logger

log = get_logger(__name__)

#: Paths that are answered at once.
_URGENT: Final = ("/livez", "/readyz", "/health")
_URGENT_THREADS: Final = 2

#: The path that waits for providers.
_ON_DEMAND: Final = "/ingest"
_ON_DEMAND_THREADS: Final = 4

#: Threads that continue answers which their clients are still reading.
_CONTINUING_THREADS: Final = 2

#: How long a request may wait for a thread [s], and how many may wait.
_MAX_WAIT: Final = 0.5
_MAX_WAITING: Final = 500

#: How long a stop waits for requests in progress [s].
_STOP_SECONDS: Final = 3.0

#: Shortest time between two log lines about refused requests [s].
_LOG_INTERVAL: Final = 10.0


class Dispatcher:
    """Hands requests to threads. A request that no thread takes within a second is answered with 503 instead.

    Args:
        threads: Threads for requests that belong to no other group.
    """

    def __init__(self, threads: int) -> None:
        self._urgent = _group(_URGENT_THREADS)
        self._on_demand = _group(_ON_DEMAND_THREADS)
        self._continuing = _group(_CONTINUING_THREADS)
        self._others = _group(threads)
        self._refused = 0
        self._logged_at = 0.0

    def add_task(self, channel: Any) -> None:
        """Queue the first request of a connection, or the rest of its answer."""
        if channel.is_continuing():
            self._continuing.add_task(channel)
            return
        request = channel.requests[0]
        path = getattr(request, "path", None)
        if path in _URGENT or request.error:
            self._urgent.add_task(channel)
            return
        is_on_demand = path == _ON_DEMAND and request.command == "POST" and not request.whole
        group = self._on_demand if is_on_demand else self._others
        channel.queued_at = time.monotonic()
        if len(group.queue) >= _MAX_WAITING:
            self._refuse(channel)
        else:
            group.add_task(channel)

    def refuse_late_requests(self) -> None:
        """Answer the requests that have waited too long for a thread."""
        oldest = time.monotonic() - _MAX_WAIT
        for group in (self._on_demand, self._others):
            with group.lock:
                late = [channel for channel in group.queue if channel.queued_at < oldest]
                if late:
                    group.queue = deque(channel for channel in group.queue if channel.queued_at >= oldest)
            for channel in late:
                self._refuse(channel)

    def _refuse(self, channel: Any) -> None:
        channel.refuse_as_busy()
        self._urgent.add_task(channel)
        self._refused += 1
        if time.monotonic() - self._logged_at >= _LOG_INTERVAL:
            log.warning("more requests than this server can answer, refused with 503", requests=self._refused)
            self._refused, self._logged_at = 0, time.monotonic()

    def shutdown(self, cancel_pending: bool = True, timeout: float = _STOP_SECONDS) -> bool:
        """End the threads, after the requests in progress or after some seconds."""
        deadline = time.monotonic() + timeout
        groups = (self._urgent, self._on_demand, self._continuing, self._others)
        for group in groups:
            group.set_thread_count(0)
        for group in groups:
            group.shutdown(cancel_pending, max(0.1, deadline - time.monotonic()))
        return cancel_pending


def _group(threads: int) -> ThreadedTaskDispatcher:
    group = ThreadedTaskDispatcher()
    group.set_thread_count(threads)
    return group

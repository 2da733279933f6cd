"""Threads of the web server. Probes have their own, so that slow requests do not delay them."""

from __future__ import annotations

from typing import Any, Final

from waitress.task import ThreadedTaskDispatcher

#: Paths that are answered at once.
_URGENT: Final = ("/livez", "/readyz", "/health")

#: Threads for these paths.
_URGENT_THREADS: Final = 2

#: How long a stop waits for requests in progress [s].
_STOP_SECONDS: Final = 3


class UrgentFirstDispatcher(ThreadedTaskDispatcher):  # type: ignore[misc]  # waitress is not typed
    """Hands requests to threads, and urgent ones to threads of their own.

    Args:
        threads: Threads for all other requests.
    """

    def __init__(self, threads: int) -> None:
        super().__init__()
        self.set_thread_count(threads)
        self._urgent = ThreadedTaskDispatcher()
        self._urgent.set_thread_count(_URGENT_THREADS)

    def add_task(self, task: Any) -> None:
        """Queue the first request of a connection."""
        requests = task.requests
        if requests and getattr(requests[0], "path", None) in _URGENT:
            self._urgent.add_task(task)
        else:
            super().add_task(task)

    def shutdown(self, cancel_pending: bool = True, timeout: float = _STOP_SECONDS) -> bool:
        """End the threads, after the requests in progress or after some seconds."""
        self._urgent.shutdown(cancel_pending, timeout=1)
        return bool(super().shutdown(cancel_pending, timeout))

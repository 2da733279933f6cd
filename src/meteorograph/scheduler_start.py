"""Start the scheduler of this process. After a failure the process goes on serving, and starts the scheduler later."""

from __future__ import annotations

import ctypes
import os
import sys
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final

from . import scheduler
from .config.settings import Settings
from .log_output import get_logger

log = get_logger(__name__)

#: Time between two attempts to start the scheduler [s].
RETRY_SECONDS: Final = 15.0


@dataclass(slots=True)
class _Attempts:
    """The attempts of this process to start its scheduler."""

    #: The process that they belong to: a child of a fork begins with none.
    process_id: int | None = None
    #: Why the last attempt failed; None after a success.
    error: str | None = None
    last_at: float = 0.0
    lock: threading.Lock = field(default_factory=threading.Lock)
    #: The process whose state is its own: this process, unless it was forked without Python's fork hooks.
    own_process_id: int = field(default_factory=os.getpid)

    def reset(self) -> None:
        self.process_id, self.error, self.lock = None, None, threading.Lock()
        self.own_process_id = os.getpid()


_attempts: Final = _Attempts()


def start(settings: Settings) -> None:
    """Start the scheduler, or apply the interval of the settings to the one that runs. Never raises; a failure is logged.

    In a uwsgi that has not forked its workers yet, each worker starts its own scheduler later: uwsgi forks without Python's fork
    hooks, so a scheduler of the parent process could not be handed over.
    """
    uwsgi = sys.modules.get("uwsgi")
    if uwsgi is not None and uwsgi.worker_id() == 0:
        _start_in_workers(uwsgi, settings)
        return
    with _attempts.lock:
        _attempts.process_id, _attempts.last_at = os.getpid(), time.monotonic()
        try:
            scheduler.start(settings)
        except Exception as error:
            _attempts.error = f"{type(error).__name__}: {error}"
            log.exception("the scheduler could not be started, trying again", after_seconds=RETRY_SECONDS)
            _start_later(settings)
        else:
            _attempts.error = None


def _start_in_workers(uwsgi: Any, settings: Settings) -> None:
    """Let uwsgi call this after it has forked a worker, or before its only process begins to work."""
    previous = getattr(uwsgi, "post_fork_hook", None)

    def start_in_worker() -> None:
        if previous is not None:
            previous()
        if _attempts.own_process_id != os.getpid():
            ctypes.pythonapi.PyOS_AfterFork_Child()  # runs the fork hooks, which reset connections, locks and the journal
        start(settings)

    uwsgi.post_fork_hook = start_in_worker


def retry_if_due(settings: Settings) -> None:
    """Try again to start a scheduler that could not be started, if the last attempt was some time ago.

    A scheduler that was started and died is not started again: ``/health`` shows it.
    """
    if start_error() is not None and time.monotonic() - _attempts.last_at >= RETRY_SECONDS:
        start(settings)


def start_error() -> str | None:
    """Why the scheduler of this process could not be started; None if it could, or if nothing has started it."""
    return _attempts.error if _attempts.process_id == os.getpid() else None


def _start_later(settings: Settings) -> None:
    """Try again after a while. Where no thread can be started either, the next request tries again."""
    timer = threading.Timer(RETRY_SECONDS, retry_if_due, [settings])
    timer.daemon = True
    with suppress(RuntimeError, MemoryError):
        timer.start()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_attempts.reset)

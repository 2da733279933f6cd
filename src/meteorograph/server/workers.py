"""Further collecting processes: started, watched, restarted and stopped by the process of the service.

A worker is a program of its own, not a fork: neither the HTTP client nor the threads of the scheduler survive a fork.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sqlalchemy import func, select

from ..config.settings import Settings
from ..logs import get_logger
from ..model.states import LocationState
from ..storage.engine import get_db_session
from ..storage.models import Location

log = get_logger(__name__)

#: Active locations for each process, where the settings do not say how many: fewer are collected by one process soon enough.
LOCATIONS_PER_PROCESS: Final = 5_000

#: How often to look whether a worker has ended [s], and how long to wait before another one is started in its place.
_LOOK_SECONDS: Final = 0.5
_FIRST_PAUSE_SECONDS: Final = 1.0
_LONGEST_PAUSE_SECONDS: Final = 60.0

#: A worker that lived for so long did not end because of its start [s].
_LONG_LIFE_SECONDS: Final = 60.0

#: How long workers may take for their stop before they are killed [s].
_STOP_SECONDS: Final = 8.0

#: Variables of systemd, which listens to the main process only.
_OF_MAIN_PROCESS: Final = frozenset(("NOTIFY_SOCKET", "WATCHDOG_PID", "WATCHDOG_USEC"))


@dataclass(slots=True)
class _Place:
    """The place of one worker, which another one takes when it ends."""

    #: What differs from the environment of this process.
    environment: dict[str, str]
    process: subprocess.Popen[bytes] | None = None
    started_at: float = 0.0
    #: How long to wait for the next start, which doubles with each worker that ends soon.
    pause: float = _FIRST_PAUSE_SECONDS
    starts_at: float = 0.0


class Workers:
    """The workers of this process. Thread-safe."""

    def __init__(self) -> None:
        self._places: list[_Place] = []
        self._stop = threading.Event()
        self._lock = threading.Lock()

    def start(self, count: int, log_file: Path | None = None) -> None:
        """Start workers, and go on starting one in place of each that ends.

        Args:
            count: How many.
            log_file: The log file of this process. Each worker has its own beside it, since a file is rotated by one process.
        """
        if count > 0:
            self._places = [_Place(_own_log_file(log_file, number)) for number in range(1, count + 1)]
            self._look()
            threading.Thread(target=self._watch, name="workers", daemon=True).start()

    def hang_up(self) -> None:
        """Let the workers read their settings again."""
        if hasattr(signal, "SIGHUP"):
            self._signal(signal.SIGHUP)

    def end(self) -> None:
        """Tell the workers to end, and start no other; does not wait."""
        self._stop.set()
        self._signal(signal.SIGTERM)

    def wait(self) -> None:
        """Wait for the end of the workers, and kill those that do not end in time: a killed one loses nothing either."""
        self.end()
        deadline = time.monotonic() + _STOP_SECONDS
        for process in self._processes():
            try:
                process.wait(max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def _processes(self) -> list[subprocess.Popen[bytes]]:
        with self._lock:
            return [place.process for place in self._places if place.process is not None]

    def _signal(self, number: signal.Signals) -> None:
        for process in self._processes():
            with suppress(OSError):
                process.send_signal(number)

    def _watch(self) -> None:
        while not self._stop.wait(_LOOK_SECONDS):
            self._look()

    def _look(self) -> None:
        """Start a worker in each place that has none and whose pause is over."""
        with self._lock:
            for place in self._places:
                now = time.monotonic()
                if place.process is not None and place.process.poll() is not None:
                    _note_end(place, now)
                if place.process is None and now >= place.starts_at and not self._stop.is_set():
                    _start_worker(place)


def _note_end(place: _Place, now: float) -> None:
    assert place.process is not None
    if now - place.started_at >= _LONG_LIFE_SECONDS:
        place.pause = _FIRST_PAUSE_SECONDS
    fields = {"pid": place.process.pid, "code": place.process.returncode, "after_seconds": place.pause}
    log.error("a worker ended, starting another one", **fields)
    place.process, place.starts_at = None, now + place.pause
    place.pause = min(2 * place.pause, _LONGEST_PAUSE_SECONDS)


def _own_log_file(log_file: Path | None, number: int) -> dict[str, str]:
    if log_file is None:
        return {}
    return {"METEOROGRAPH_LOG_FILE": str(log_file.with_name(f"{log_file.stem}-worker-{number}{log_file.suffix}"))}


def _start_worker(place: _Place) -> None:
    # Its standard input ends with this process, however that ends; in a session of its own it gets no Ctrl-C of the terminal,
    # which this process passes on.
    command = [sys.executable, "-m", "meteorograph.server.worker"]
    place.started_at = time.monotonic()
    try:
        own = {name: value for name, value in os.environ.items() if name not in _OF_MAIN_PROCESS}
        environment = {**own, **place.environment}
        place.process = subprocess.Popen(  # noqa: S603  # our own words
            command, stdin=subprocess.PIPE, env=environment, start_new_session=True
        )
    except OSError as error:
        log.error("a worker could not be started", reason=error.strerror, after_seconds=place.pause)  # noqa: TRY400
        place.starts_at = place.started_at + place.pause
        place.pause = min(2 * place.pause, _LONGEST_PAUSE_SECONDS)


def process_count(settings: Settings) -> int:
    """How many processes collect: as the settings say, or one for each 5,000 active locations, at most one for each core."""
    if settings.workers is not None:
        return settings.workers
    with get_db_session(read_only=True) as session:
        active = session.scalar(select(func.count()).where(Location.state == LocationState.ACTIVE)) or 0
    return max(1, min(_cores(), active // LOCATIONS_PER_PROCESS))


def _cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1

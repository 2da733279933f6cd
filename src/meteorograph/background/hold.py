"""What a process has of a task while it works on it: a lease that a thread renews, and a stop that comes for three reasons."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from types import TracebackType
from typing import Final

from ..errors import StoreError
from ..log_output import get_logger
from ..storage.leases import LEASE_LENGTH
from . import tasks
from .tasks import TaskClaim

log = get_logger(__name__)

#: How often the lease is renewed, and how soon a cancelled task ends [s].
_RENEW_SECONDS: Final = LEASE_LENGTH.total_seconds() / 12

#: How often the thread looks whether the process stops [s].
_LOOK_SECONDS: Final = 0.2


class Hold:
    """Keeps the lease of a task as long as the block lasts.

    Args:
        claim: The task.
        process_stop: Set when the process stops.
    """

    def __init__(self, claim: TaskClaim, process_stop: threading.Event) -> None:
        self.claim = claim
        #: Set when the work must end: the process stops, another process has the task, or it was cancelled.
        self.stop = threading.Event()
        #: Whether another process has the task, or it was cancelled.
        self.is_lost = False
        self._process_stop = process_stop
        self._ended = threading.Event()
        self._progress: tuple[int, int | None] = (0, None)
        self._thread = threading.Thread(target=self._renew, name=f"lease of task {claim.id}", daemon=True)

    def report(self, done: int, total: int) -> None:
        """Say how far the task is; it is stored with the next renewal of the lease."""
        self._progress = (done, total)

    def advance(self, position: str | None, counts: Mapping[str, int]) -> None:
        """Store up to where the task is done, and what came of it: from there another process goes on.

        Raises:
            StoreError: The database is away.
        """
        self._note(tasks.record_position(self.claim, position, counts))

    def __enter__(self) -> Hold:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._ended.set()
        self._thread.join()
        if not self.is_lost:
            try:
                self._note(tasks.renew(self.claim, *self._progress))  # the last progress
            except StoreError as failure:
                log.warning("the progress of a task could not be stored", task=self.claim.id, reason=str(failure))

    def _renew(self) -> None:
        renewed_at = time.monotonic()
        while not self._ended.wait(_LOOK_SECONDS):
            if self._process_stop.is_set():
                self.stop.set()
            if time.monotonic() - renewed_at < _RENEW_SECONDS:
                continue
            renewed_at = time.monotonic()
            try:
                self._note(tasks.renew(self.claim, *self._progress))
            except StoreError as error:
                log.warning("the lease of a task could not be renewed", task=self.claim.id, reason=str(error))

    def _note(self, is_held: bool) -> None:
        if not is_held:
            self.is_lost = True
            self.stop.set()

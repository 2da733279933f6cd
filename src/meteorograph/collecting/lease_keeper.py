"""Keep the lease of a run while it is collected, from a thread: a busy event loop does not delay it."""

from __future__ import annotations

import contextvars
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, Protocol

from ..config.loading import get_settings
from ..errors import StoreError
from ..ledger.call_counts import CallRecorder
from ..ledger.conditions import Claim
from ..log_output import get_logger
from ..model import clock
from .run_holds import RunHold

log = get_logger(__name__)

#: How often to look whether the lease must be renewed [s].
_LOOK_SECONDS: Final = 0.2


class StopSignal(Protocol):
    """Says whether work must end."""

    def is_set(self) -> bool:
        """Whether it must."""


class LeaseKeeper:
    """Renews the lease of a run, and records its calls.

    Args:
        claim: The run.
        calls: Records its calls.
        stop: Set when the process stops.
        hold: What this process holds of it; the whole run if None.
    """

    def __init__(self, claim: Claim, calls: CallRecorder, stop: StopSignal, hold: RunHold | None = None) -> None:
        self._claim = claim
        self._calls = calls
        self._stop = stop
        self._hold = hold or RunHold(claim, get_settings())
        self._closing = threading.Event()
        self._ended = threading.Event()

    @property
    def is_lost(self) -> bool:
        """Whether another process has claimed the run."""
        return self._hold.lost.is_set()

    def is_set(self) -> bool:
        """Whether the run must end early: the process stops, or another one has claimed the run."""
        return self._stop.is_set() or self.is_lost

    def expect_close(self) -> None:
        """This process closes or releases the run now: a lease that is gone from here on was not taken by another process."""
        self._closing.set()

    def end(self) -> None:
        """Renew it no longer."""
        self._ended.set()

    def run(self) -> None:
        """Renew the lease until the run ends, and leave no call unrecorded."""
        self.renew()
        self._ended.wait()  # a run that was lost still waits for the answers in progress
        self._calls.end()

    def renew(self) -> None:
        """Renew the lease until it is gone or the run ends.

        Each third of its length, by the clock of the machine or by the monotonic one.
        """
        lease = self._claim.lease
        renewed_at, renewed = clock.now(), time.monotonic()
        while not self._ended.wait(min(_LOOK_SECONDS, lease.total_seconds() / 3)):
            now = clock.now()
            if abs(now - renewed_at) < lease / 3 and time.monotonic() - renewed < lease.total_seconds() / 3:
                continue
            renewed_at, renewed = now, time.monotonic()
            try:
                is_held = self._hold.renew(now)
                self._calls.record()
            except StoreError as error:
                log.warning("the lease could not be renewed", reason=str(error))
                continue
            except Exception:
                log.exception("the lease could not be renewed")
                continue
            if not is_held and (self._closing.is_set() or self._ended.is_set()):
                return
            if not is_held:
                self._hold.note_lost()
                return


@contextmanager
def kept_lease(claim: Claim, calls: CallRecorder, stop: StopSignal, hold: RunHold) -> Iterator[LeaseKeeper]:
    """Context in which the lease of a run is renewed, in the database of the caller."""
    keeper = LeaseKeeper(claim, calls, stop, hold)
    context = contextvars.copy_context()
    # A daemon: at the end it may be waiting for the database, and nothing waits for it.
    threading.Thread(target=context.run, args=(keeper.run,), name=f"lease of run {claim.run_id}", daemon=True).start()
    try:
        yield keeper
    finally:
        keeper.end()

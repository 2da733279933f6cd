"""One integration in this process: takes the lease, reads the outbox, sends, and deletes what has arrived."""

from __future__ import annotations

import threading
import time
from typing import Final

from ..config.loading import get_settings
from ..errors import StoreError
from ..log_output import get_logger
from ..model import clock
from ..storage import outbox
from ..storage.engine import get_db_session, init_db
from ..storage.leases import release_lease, renew_lease, take_lease
from .receiver import Kind, Receiver, ReceiverError
from .stored_rows import read_batch

log = get_logger(__name__)

#: Rows of one batch.
BATCH: Final = 500

#: How often to look for rows [s].
POLL_SECONDS: Final = 2.0
#: How often to look whether another process has left the lease, or whether the integration is set up now [s].
_LOOK_SECONDS: Final = 10.0
#: How often to renew the lease and to give a sign of life [s].
_RENEW_SECONDS: Final = 15.0
#: Time for a server to fork its workers before anything is sent in the parent process [s].
_FIRST_LOOK_SECONDS: Final = 1.0
#: Longest pause that a receiver may ask for [s].
_MAX_RETRY_AFTER: Final = 3600.0
#: Longest pause after a failure; the first one is a poll, and each further one twice as long [s].
MAX_PAUSE_SECONDS: Final = 60.0


class Channel:
    """Sends the rows of one integration, in a thread of its own, so that no receiver waits for another."""

    def __init__(self, kind: Kind) -> None:
        self._kind = kind
        self._config: object | None = None
        self._receiver: Receiver | None = None
        #: Monotonic time at which the lease was taken or renewed; None without it.
        self._held_since: float | None = None
        self._failures = 0

    def run(self, stop: threading.Event) -> None:
        """Work until ``stop`` is set. Never raises."""
        pause = _FIRST_LOOK_SECONDS
        while not stop.wait(pause):
            pause = self._step()
        self._close_receiver()
        self._release()

    def _step(self) -> float:
        """One look at the outbox; gives the pause until the next one [s]."""
        try:
            return self._work()
        except StoreError as error:  # ``/health`` says it
            log.debug("an integration waits for the database", integration=self._kind.name, reason=str(error))
            self._held_since = None
            return _LOOK_SECONDS
        except ReceiverError as error:
            return self._fail(str(error), error.retry_after)
        except Exception as error:
            if not self._failures:
                log.exception("an integration has failed", integration=self._kind.name)
            return self._fail(f"unexpected {type(error).__name__}", 0.0)

    def _work(self) -> float:
        settings = get_settings()
        config = self._kind.config(settings)
        if config != self._config:
            self._close_receiver()
            self._config = config
        if config is None:
            self._release()
            return _LOOK_SECONDS
        init_db()
        if not self._hold_lease():
            self._close_receiver()
            return _LOOK_SECONDS
        if self._receiver is None:
            self._receiver = self._kind.make(settings)
        self._receiver.keep_up()
        return self._send_batch(self._receiver)

    def _send_batch(self, receiver: Receiver) -> float:
        with get_db_session(read_only=True) as session:
            ids, rows = read_batch(session, self._kind.name, BATCH)
        refusals = receiver.send(rows) if rows else []
        if ids or self._failures:
            with get_db_session() as session:
                outbox.delete_entries(session, ids)
                outbox.note_success(session, self._kind.name, clock.now(), len(rows) - len(refusals), refusals)
        if refusals:
            log.warning("a receiver refused rows", integration=self._kind.name, rows=len(refusals), reason=refusals[-1])
        if self._failures:
            log.info("an integration works again", integration=self._kind.name)
            self._failures = 0
        return 0.0 if len(ids) == BATCH else POLL_SECONDS

    def _fail(self, reason: str, retry_after: float) -> float:
        """Record a failure, and log the first one; gives the pause until the next attempt [s]."""
        self._close_receiver()
        try:
            with get_db_session() as session:
                outbox.note_failure(session, self._kind.name, clock.now(), reason)
        except StoreError:
            self._held_since = None
        if not self._failures:
            log.warning("an integration cannot send, its rows wait", integration=self._kind.name, reason=reason)
        self._failures += 1
        return max(min(retry_after, _MAX_RETRY_AFTER), min(MAX_PAUSE_SECONDS, POLL_SECONDS * 2.0 ** min(self._failures - 1, 10)))

    def _hold_lease(self) -> bool:
        """Whether this process has the lease, which it takes or renews where that is due."""
        name, at = self._lease_name(), time.monotonic()
        if self._held_since is not None and at - self._held_since < _RENEW_SECONDS:
            return True
        is_held = renew_lease(name, clock.now()) or take_lease(name, clock.now())
        self._held_since = at if is_held else None
        if is_held:
            self._sign_of_life()
        return is_held

    def _sign_of_life(self) -> None:
        with get_db_session() as session:
            if not outbox.is_subscribed(session, self._kind.name):
                outbox.subscribe(session, self._kind.name, clock.now())
            if not self._failures:
                outbox.note_success(session, self._kind.name, clock.now())

    def _lease_name(self) -> str:
        return f"integration {self._kind.name}"

    def _close_receiver(self) -> None:
        receiver, self._receiver = self._receiver, None
        if receiver is not None:
            receiver.close()

    def _release(self) -> None:
        if self._held_since is None:
            return
        self._held_since = None
        try:
            release_lease(self._lease_name())
        except Exception as error:
            log.warning("a lease could not be released", lease=self._lease_name(), reason=str(error))

"""The dead man's switch: call an address after a good run, so that somebody else notices when no run ends well any more."""

from __future__ import annotations

import os
import threading
from typing import Final

from ..config.settings import Settings
from ..errors import DeliveryError
from ..log_output import get_logger
from ..log_repeats import warn_once
from ..model import clock
from .http_post import ping

log = get_logger(__name__)


class Pinger:
    """Calls the address, once at a time: a receiver that hangs gets no second call meanwhile."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget a call in progress: its thread does not survive a fork."""
        self._in_progress = threading.Lock()

    def ping(self, address: str) -> None:
        """Call the address, unless a call is in progress; logs a failure and never raises."""
        lock = self._in_progress
        if not lock.acquire(blocking=False):
            return
        try:
            ping(address, clock.now())
        except DeliveryError as error:
            warn_once(log, "the dead man's switch was not reached", (), reason=str(error))
        finally:
            lock.release()


#: The pinger of this process.
_PINGER: Final = Pinger()


def ping_after_run(settings: Settings) -> None:
    """Call the address of the settings, if any, in a thread: no slot waits for it. It is tried once: a late call would lie."""
    if settings.ping_url is not None:
        address = settings.ping_url.get_secret_value()
        threading.Thread(target=_PINGER.ping, args=(address,), name="meteorograph-ping", daemon=True).start()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_PINGER.reset)

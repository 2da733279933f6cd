"""The dead man's switch: call an address after a good run, so that somebody else notices when no run ends well any more."""

from __future__ import annotations

import threading
from typing import Final

from ..config.settings import Settings
from ..errors import DeliveryError
from ..log_output import get_logger
from ..log_repeats import warn_once
from ..model import clock
from .http_post import ping

log = get_logger(__name__)

#: Held while a call is in progress: a receiver that hangs gets no second one meanwhile.
_in_progress: Final = threading.Lock()


def ping_after_run(settings: Settings) -> None:
    """Call the address of the settings, if any, in a thread: no slot waits for it. It is tried once: a late call would lie."""
    if settings.ping_url is not None:
        address = settings.ping_url.get_secret_value()
        threading.Thread(target=_ping, args=(address,), name="meteorograph-ping", daemon=True).start()


def _ping(address: str) -> None:
    if not _in_progress.acquire(blocking=False):
        return
    try:
        ping(address, clock.now())
    except DeliveryError as error:
        warn_once(log, "the dead man's switch was not reached", (), reason=str(error))
    finally:
        _in_progress.release()

"""Notify systemd that the service is ready, that it stops, and that it works (``sd_notify``)."""

from __future__ import annotations

import os
import socket
import threading
from contextlib import suppress

from .. import scheduler
from ..config.settings import Settings
from ..log_output import get_logger

log = get_logger(__name__)


def notify(state: str) -> None:
    """Send a state such as ``READY=1`` to systemd; does nothing without one."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return
    with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as notifier:
        notifier.connect("\0" + address[1:] if address.startswith("@") else address)
        notifier.sendall(state.encode())


def start_watchdog(settings: Settings) -> threading.Event:
    """Tell systemd from now on that the service works, if it wants to know; set the event to end that.

    It is sent only while the scheduler runs. A database that is away is no reason to start the service again.
    """
    ended, period = threading.Event(), os.environ.get("WATCHDOG_USEC", "")
    if period.isdecimal() and os.environ.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid()):
        arguments = (ended, int(period) / 1e6 / 3, settings.scheduler_enabled)
        threading.Thread(target=_feed, args=arguments, name="watchdog", daemon=True).start()
    return ended


def _feed(ended: threading.Event, seconds: float, needs_scheduler: bool) -> None:
    is_silent = False
    while not ended.wait(seconds):
        was_silent, is_silent = is_silent, needs_scheduler and not scheduler.is_running()
        if not is_silent:
            notify("WATCHDOG=1")
        elif not was_silent:
            log.error("the scheduler does not run; systemd will start the service again")

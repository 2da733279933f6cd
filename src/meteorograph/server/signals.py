"""Signals of the service: SIGTERM and SIGINT stop it within ten seconds, SIGHUP reads the settings again."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from types import FrameType
from typing import Final

from .. import scheduler
from ..config.loading import get_settings, load_settings, pin_settings, setting_names
from ..config.settings import Settings
from ..errors import ConfigurationError, MeteorographError
from ..ledger import closing
from ..logs import get_logger, setup_logging
from . import systemd

log = get_logger(__name__)

#: How long a stop may take before the process ends as it is [s]. What is not stored then is in the journal.
STOP_SECONDS: Final = 9.0

#: Settings that need a restart.
_FIXED: Final = ("host", "port", "scheduler_enabled", "database_url", "journal_dir", "demo", "workers", "engine")


def handle_signals(after_reload: Callable[[], None] = lambda: None) -> None:
    """Handle the signals of the service in this process; call it in the main thread.

    Args:
        after_reload: Called after the settings were read again.
    """

    def reload() -> None:
        reload_settings()
        after_reload()

    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, _end)
    if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:  # as nohup has it
        had_terminal = _has_terminal()

        def hang_up(number: int, frame: FrameType | None) -> None:
            if had_terminal and not _has_terminal():  # its terminal was closed
                _end(number, frame)
            # In a thread, since a signal may come in the middle of a log line.
            threading.Thread(target=reload, name="reload").start()

        signal.signal(signal.SIGHUP, hang_up)


def _end(number: int, _frame: FrameType | None) -> None:
    signal.signal(number, signal.SIG_DFL)  # a second signal ends the process at once
    systemd.notify("STOPPING=1")
    scheduler.request_stop()
    with suppress(RuntimeError):  # without a further thread the stop has no deadline
        threading.Thread(target=_end_late, name="late end", daemon=True).start()
    raise SystemExit(0)


def _end_late() -> None:
    """End the process if something that is locked or slow keeps it from ending: a killed process loses nothing either."""
    time.sleep(STOP_SECONDS)
    log.warning("the stop takes too long, ending now; what waits is resumed at the next start")
    os._exit(0)


def _has_terminal() -> bool:
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY))
    except OSError:
        return False
    return True


def reload_settings() -> None:
    """Read the settings again, and use them from now on; a wrong value is logged, and the old settings stay."""
    old = get_settings()
    if old.demo:
        log.warning("the demonstration does not reload settings")
        return
    try:
        found = load_settings()
        new = load_settings(**{name: getattr(old, name) for name in _FIXED})
    except ConfigurationError as error:
        log.error("the settings are not reloaded", reason=str(error))  # noqa: TRY400  # the reason is enough
        return
    for name in ("database_url", "journal_dir", "workers", "engine"):
        if getattr(found, name) != getattr(old, name):
            log.warning("this setting needs a restart", setting=setting_names()[name])
    pin_settings(new)
    setup_logging(new)
    log.info("settings reloaded", changed=_changed(old, new))
    if new.scheduler_enabled and not scheduler.is_stopping():
        scheduler.start(new)
        _reopen_runs()


def _changed(old: Settings, new: Settings) -> list[str]:
    """Names of the settings with another value than before."""
    return [name for field, name in setting_names().items() if getattr(old, field) != getattr(new, field)]


def _reopen_runs() -> None:
    """Let runs that wait for a provider try again at once: it may have a new key."""
    try:
        closing.reopen_waiting_runs()
    except MeteorographError as error:
        log.warning("runs that wait for a provider could not be reopened", reason=str(error))

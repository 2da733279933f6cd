"""Send the messages of a channel that wait, and record what came of each."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from datetime import timedelta
from typing import Final

from ..config.settings import Settings
from ..errors import DeliveryError
from ..i18n import get_language
from ..log_output import get_logger
from ..log_repeats import error_once
from ..model import clock
from ..storage.counters import COUNTERS, Count
from ..storage.database_errors import error_text
from ..storage.engine import get_db_session
from . import channels, deliveries
from .messages import digest

log = get_logger(__name__)

#: Messages of a digest at most.
_MAX_DIGEST: Final = 500

_HOUR: Final = timedelta(hours=1)


def send_safely(settings: Settings, channel: str, stop: threading.Event) -> None:
    """Send what waits for a channel; logs a failure and never raises."""
    try:
        send_waiting(settings, channel, stop)
    except Exception as error:
        error_once(log, "messages wait", (channel,), channel=channel, reason=error_text(error))


def send_waiting(settings: Settings, channel: str, stop: threading.Event) -> None:
    """Send the messages of a channel that are due, until none is left, one fails, or ``stop`` is set.

    The last message that the channel may get within an hour has all that wait. A webhook gets as many as there are.
    """
    while not stop.is_set():
        now = clock.now()
        left = settings.alert_messages_per_hour
        if channel in settings.alert_channels:
            with get_db_session(read_only=True) as session:
                left -= deliveries.count_messages(session, channel, now - _HOUR)
        if left <= 0:
            return
        is_last = left == 1 and channel in settings.alert_channels
        taken = deliveries.take_next(channel, now, _MAX_DIGEST if is_last else 1)
        if not taken or not _send(settings, taken):
            return


def _send(settings: Settings, taken: Sequence[deliveries.TakenDelivery]) -> bool:
    """Send one message, or several in a digest; False if this failed."""
    first, now = taken[0], clock.now()
    message_id, title, body = first.message_id, first.title, first.body
    if len(taken) > 1:
        text = digest([(one.title, one.message_id, one.created_at) for one in taken], now, get_language(settings.language))
        message_id, title, body = text.id, text.title, text.body
    fields = {"channel": first.channel, "message": message_id, "attempt": first.attempt}
    try:
        channels.send(settings, first.channel, message_id, title, body, now)
    except Exception as error:
        reason = str(error) if isinstance(error, DeliveryError) else f"unexpected {type(error).__name__}"
        wait = getattr(error, "wait", None)
        is_over = [deliveries.record_failure(one, reason, clock.now(), wait) for one in taken]
        COUNTERS.add(Count.DELIVERIES, first.channel, "given_up" if any(is_over) else "failed")
        log.warning("a message was given up" if any(is_over) else "a message was not accepted", **fields, reason=reason)
        return False
    if deliveries.record_sent(taken, clock.now()):
        COUNTERS.add(Count.DELIVERIES, first.channel, "sent")
        log.info("message sent", **fields)
    return True

"""Try channels: send a message to each now, and say what came of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..config.settings import Settings
from ..errors import DeliveryError
from ..i18n import get_language
from ..model import clock
from . import channels
from .messages import test_message


@dataclass(frozen=True, slots=True)
class Trial:
    """What came of a message that tried a channel."""

    channel: str
    #: None if the receiver has accepted it.
    error: str | None


def try_channels(settings: Settings, names: Sequence[str]) -> list[Trial]:
    """Send a message to each of these channels, in their order; one attempt each."""
    return [Trial(name, _try(settings, name)) for name in names]


def _try(settings: Settings, name: str) -> str | None:
    now = clock.now()
    message = test_message(now, get_language(settings.language))
    body = message.payload.decode() if name in settings.webhooks else message.body
    try:
        channels.send(settings, name, message.id, message.title, body, now)
    except DeliveryError as error:
        return str(error)
    return None

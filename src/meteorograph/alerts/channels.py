"""Send one message to one channel: through Apprise, or as a webhook. Raises unless the receiver has accepted it."""

from __future__ import annotations

import importlib
import logging
from datetime import datetime
from typing import Any, Final

from pydantic import SecretStr

from ..config.settings import Settings
from ..errors import DeliveryError
from ..redaction import redact
from .http_post import post_webhook

#: Longest time of one call [s]; Apprise has no limit of its own.
SEND_SECONDS: Final = 20.0


def channel_names(settings: Settings) -> list[str]:
    """The channels and the webhooks of the settings."""
    return [*settings.alert_channels, *settings.webhooks]


def send(settings: Settings, channel: str, message_id: str, title: str, body: str, now: datetime) -> None:
    """Send a message; returns once the receiver has accepted it.

    Raises:
        DeliveryError: The receiver has not accepted it, or the settings do not have the channel.
    """
    if channel in settings.webhooks:
        post_webhook(settings, channel, message_id, body, now)
    elif channel in settings.alert_channels:
        send_by_apprise(settings.alert_channels[channel], title, body)
    else:
        raise DeliveryError(f"METEOROGRAPH_ALERT_CHANNELS and METEOROGRAPH_WEBHOOKS have no {channel}")


def send_by_apprise(address: SecretStr, title: str, body: str) -> None:
    """Send a message to one receiver through Apprise.

    Raises:
        DeliveryError: The receiver has not accepted it, or Apprise does not know such an address.
    """
    apprise = _apprise()
    # A redirect turns a POST into a GET of another page: its 200 would say that a message which is lost was accepted.
    asset = apprise.AppriseAsset(http_redirects=False)
    receiver = apprise.Apprise.instantiate(address.get_secret_value(), asset=asset)
    if receiver is None:
        raise DeliveryError("Apprise does not understand the address; see https://appriseit.com/services/ for its form")
    if "overflow=" not in address.get_secret_value():  # a text that is too long for the receiver comes in parts
        receiver.overflow_mode = apprise.OverflowMode.SPLIT
    caller = apprise.Apprise(receiver)
    result = caller.notify(
        body=body,
        title=title,
        notify_type=apprise.NotifyType.WARNING,
        body_format=apprise.NotifyFormat.TEXT,
        timeout=SEND_SECONDS,
    )
    # Only this says that the one receiver has accepted it; a call that reaches nobody is no success.
    if result.status != apprise.AppriseResultStatus.SUCCESS or result.success_count != 1:
        raise DeliveryError(_reason(result))


def channel_faults(settings: Settings) -> list[str]:
    """What of the settings of channels and webhooks cannot work, without sending anything."""
    unknown = [
        f"Apprise does not understand the address of the channel {name}"
        for name, address in settings.alert_channels.items()
        if _apprise().Apprise.instantiate(address.get_secret_value()) is None
    ]
    unsigned = settings.webhooks.keys() - settings.webhook_secrets.keys()
    return unknown + [f"METEOROGRAPH_WEBHOOK_SECRETS has no secret for {name}" for name in sorted(unsigned)]


def _reason(result: Any) -> str:
    """Why a call failed, in the words of Apprise without secrets."""
    logs = [entry.message for one in result for attempt in one for entry in attempt.logs]
    words = redact(" ".join(" ".join(logs).split())) or "no reason is known"
    return f"{result.status.name.lower()}: {words}"[:500]


def _apprise() -> Any:
    """Apprise, imported when the first message is sent: it takes 0.3 s and 25 MB, which only its users need."""
    for name in ("apprise", "urllib3"):  # what they log may have parts of the address; errors have our own words
        logging.getLogger(name).propagate = False
    return importlib.import_module("apprise")

"""Webhooks (https://www.standardwebhooks.com) and the ping of a dead man's switch: requests to receivers that the operator names.

Providers are called by ``collecting/http.py`` only.
"""

from __future__ import annotations

import http.client
import urllib.error
import urllib.request
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Final

from standardwebhooks import Webhook

from ..config.settings import Settings
from ..errors import DeliveryError
from ..version import __version__

#: Longest silence of a receiver [s].
_TIMEOUT_SECONDS: Final = 15.0

_AGENT: Final = f"meteorograph/{__version__}"


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """Follows no redirect: a message goes to the address of the settings, and to no other."""

    def redirect_request(self, *_: object, **__: object) -> None:
        return None


_OPENER: Final = urllib.request.build_opener(_NoRedirects())


def post_webhook(settings: Settings, channel: str, message_id: str, body: str, now: datetime) -> None:
    """Send a JSON body with the headers of Standard Webhooks. The id and the body are those of the first attempt.

    Raises:
        DeliveryError: The receiver did not answer with 2xx, or the webhook has no secret.
    """
    secret = settings.webhook_secrets.get(channel)
    if secret is None:
        raise DeliveryError(f"METEOROGRAPH_WEBHOOK_SECRETS has no secret for {channel}")
    headers = {
        "Content-Type": "application/json",
        "webhook-id": message_id,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": Webhook(secret.get_secret_value()).sign(message_id, now, body),
    }
    _call(settings.webhooks[channel].get_secret_value(), headers, body.encode(), now)


def ping(address: str, now: datetime) -> None:
    """Call the address of a dead man's switch.

    Raises:
        DeliveryError: The receiver did not answer with 2xx.
    """
    _call(address, {}, None, now)


def _call(address: str, headers: dict[str, str], body: bytes | None, now: datetime) -> None:
    request = urllib.request.Request(address, body, {"User-Agent": _AGENT, **headers})  # noqa: S310  # http or https: settings
    try:
        with _OPENER.open(request, timeout=_TIMEOUT_SECONDS):
            return
    except urllib.error.HTTPError as error:
        with error:
            reason = f"the receiver answered {error.code}"
            raise DeliveryError(reason, wait=_retry_after(error.headers.get("Retry-After"), now)) from None
    except (OSError, http.client.HTTPException, ValueError) as error:
        cause = getattr(error, "reason", None) or error
        text = "no answer in time" if isinstance(cause, TimeoutError) else getattr(cause, "strerror", None)
        raise DeliveryError(f"the receiver cannot be reached: {text or type(cause).__name__}") from None


def _retry_after(text: str | None, now: datetime) -> timedelta | None:
    """How long a receiver asks to wait."""
    if text is None:
        return None
    try:
        return timedelta(seconds=int(text)) if text.isdigit() else parsedate_to_datetime(text) - now
    except (ValueError, TypeError, OverflowError):
        return None

"""Load the current settings: from the environment, or pinned by the program."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from pydantic import ValidationError
from sqlalchemy.engine import make_url

from .. import redaction
from ..errors import ConfigurationError
from ..log_output import get_logger
from ..log_repeats import error_once
from ..providers.registry import BROKEN, PROVIDERS
from .channels import secret_parts
from .messages import error_line
from .settings import COMPLETE_SETTINGS, Settings
from .sources import (
    SECRETS,
    aliases_in_use,
    environment_name,
    fingerprint_of_sources,
    is_set,
    read_values,
    unknown_names,
)

log = get_logger(__name__)

#: Secret settings whose values are secrets as they are, separated by commas; of the others only parts are.
_PLAIN_SECRETS: Final = tuple(
    name
    for name in SECRETS
    if not name.startswith(("DATABASE", "METEOROGRAPH_ALERT", "METEOROGRAPH_WEBHOOK", "METEOROGRAPH_MQTT"))
)


class SettingsStore:
    """The current settings of this process: pinned by the program, or read again whenever the environment changes."""

    def __init__(self) -> None:
        self._pinned: Settings | None = None
        self._cached: tuple[object, Settings] | None = None
        self._loaded_for: object = None

    def pin(self, settings: Settings | None) -> None:
        """Use these settings from now on; None returns to the environment."""
        self._pinned = settings
        if settings is not None:
            redaction.hide(*_secret_texts(settings))

    def get(self) -> Settings:
        """The pinned settings, or those of the environment.

        A file that becomes invalid, or is gone, while the process works changes nothing: the last valid settings stay.

        Raises:
            ConfigurationError: A value is invalid, and there are no settings of this folder and environment yet.
        """
        if self._pinned is not None:
            return self._pinned
        fingerprint = fingerprint_of_sources()
        if fingerprint is None or self._cached is None or self._cached[0] != fingerprint:
            self._cached = fingerprint, self._load()
        return self._cached[1]

    def _load(self) -> Settings:
        place = Path.cwd(), dict(os.environ)
        try:
            settings = load_settings()
        except ConfigurationError as error:
            if self._cached is None or place != self._loaded_for:
                raise
            error_once(log, "the settings are not reloaded", (str(error),), reason=str(error))
            return self._cached[1]
        self._loaded_for = place
        return settings


_STORE: Final = SettingsStore()


def get_settings() -> Settings:
    """The current settings: pinned, or read from the environment again if it has changed."""
    return _STORE.get()


def pin_settings(settings: Settings | None) -> None:
    """Use these settings in this process from now on; None returns to the environment."""
    _STORE.pin(settings)


def load_settings(**values: Any) -> Settings:
    """Read the settings from the environment now, and hide their secrets in logs.

    Args:
        values: Fields that override the environment.

    Raises:
        ConfigurationError: A value is invalid; its one line names the setting, the value and what is allowed.
    """
    texts = read_values()  # first, because it raises the error for an unreadable .env
    redaction.hide(*(part.strip() for name in _PLAIN_SECRETS for part in texts.get(name, "").split(",")))
    try:
        settings = COMPLETE_SETTINGS(**values)
    except ValidationError as error:
        raise ConfigurationError(_first_error(error)) from None
    redaction.hide(*_secret_texts(settings))
    if not settings.api_tokens and "api_tokens" not in values and is_set("METEOROGRAPH_API_TOKENS"):
        raise ConfigurationError(
            "METEOROGRAPH_API_TOKENS is set but has no token, which would open the service to everyone: remove it, or set tokens "
            "of at least 16 letters, digits and . _ ~ + / -, separated by commas"
        )
    if settings.map_tiles is not None and settings.map_attribution is None:
        raise ConfigurationError(
            "METEOROGRAPH_MAP_TILES is set without METEOROGRAPH_MAP_ATTRIBUTION: set the text by which the owner of the tiles "
            "asks to be named, such as '© OpenStreetMap contributors'"
        )
    return settings


def setting_names() -> dict[str, str]:
    """Field of the settings → name of its environment variable."""
    return {name: environment_name(name, field) for name, field in COMPLETE_SETTINGS.model_fields.items()}


def unknown_settings() -> list[str]:
    """A line for every plug-in that cannot be used, and for every variable that is not one of the names of a setting."""
    return [*BROKEN.values(), *unknown_names(setting_names().values())]


def _first_error(error: ValidationError) -> str:
    """The line for the first invalid setting."""
    first, names = error.errors(include_url=False)[0], setting_names()
    location = str(first["loc"][0])
    field = next(name for name in names if location in (name, names[name]))
    name, alias = names[field], aliases_in_use(names.values()).get(names[field])
    line = error_line(name, COMPLETE_SETTINGS.model_fields[field], first, secret=name in SECRETS)
    if alias is None:
        return line
    origin = alias.name if name in SECRETS or alias.text == alias.value else f"{alias.name}={alias.text}"
    return f"{line} (it comes from {origin})"


def _secret_texts(settings: Settings) -> list[str]:
    url = make_url(settings.database_url.get_secret_value())
    passwords = [url.password, *(url.normalized_query.get(name, ("",))[0] for name in ("password", "sslpassword"))]
    tokens = (*settings.api_tokens, settings.influxdb_token)
    texts = [*map(settings.key, PROVIDERS), *(token.get_secret_value() for token in tokens if token), *passwords]
    addresses = [*settings.alert_channels.values(), *settings.webhooks.values(), *filter(None, [settings.ping_url])]
    texts += [part for secret in addresses for part in secret_parts(secret.get_secret_value())]
    texts += [secret.get_secret_value().removeprefix("whsec_") for secret in settings.webhook_secrets.values()]
    if settings.mqtt_url is not None:
        password = urlsplit(settings.mqtt_url.get_secret_value()).password or ""
        texts += [password, unquote(password)]
    return [text for text in texts if text]

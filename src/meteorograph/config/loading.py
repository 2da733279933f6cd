"""Load the settings in force: from the environment, or pinned by the program."""

from __future__ import annotations

from typing import Any

from pydantic import ValidationError
from sqlalchemy.engine import make_url

from .. import redaction
from ..errors import ConfigurationError
from ..providers.registry import BROKEN, PROVIDERS
from .messages import error_line
from .settings import COMPLETE_SETTINGS, Settings
from .sources import PREFIX, SECRETS, fingerprint_of_sources, read_values, unknown_names


def setting_names() -> dict[str, str]:
    """The name of every setting in the environment, by field of ``Settings``."""
    return {name: str(field.validation_alias or PREFIX + name.upper()) for name, field in COMPLETE_SETTINGS.model_fields.items()}


def _one_line(error: ValidationError) -> str:
    """The first thing wrong."""
    first, names = error.errors(include_url=False)[0], setting_names()
    told = str(first["loc"][0])
    field = next(name for name in names if told in (name, names[name]))
    return error_line(names[field], COMPLETE_SETTINGS.model_fields[field], first, secret=names[field] in SECRETS)


def unknown_settings() -> list[str]:
    """A line for every name that is set, looks like one of ours and is none, and for every plug-in that cannot be used."""
    return [*BROKEN.values(), *unknown_names(setting_names().values())]


def load_settings(**values: Any) -> Settings:
    """Read the settings as they are now, and let the logs know what is secret in them.

    Raises:
        ConfigurationError: A value cannot be used; one line that names setting, value and what is allowed.
    """
    told = read_values()  # also so that a .env that cannot be read is told as such
    redaction.hide(*(part.strip() for name in SECRETS if name != "DATABASE_URL" for part in told.get(name, "").split(",")))
    try:
        settings = COMPLETE_SETTINGS(**values)
    except ValidationError as error:
        raise ConfigurationError(_one_line(error)) from None
    redaction.hide(*_secret_texts(settings))
    return settings


def _secret_texts(settings: Settings) -> list[str]:
    password = make_url(settings.database_url.get_secret_value()).password
    texts = [*map(settings.key, PROVIDERS), *(token.get_secret_value() for token in settings.api_tokens), password]
    return [text for text in texts if text]


_pinned: Settings | None = None


def pin_settings(settings: Settings | None) -> None:
    """Use these settings in this process from now on; None goes back to the environment."""
    global _pinned
    _pinned = settings
    if settings is not None:
        redaction.hide(*_secret_texts(settings))


_read: tuple[object, Settings] | None = None


def get_settings() -> Settings:
    """The settings in force: those pinned, or what the environment says now, read anew where it has changed."""
    global _read
    if _pinned is not None:
        return _pinned
    state = fingerprint_of_sources()
    if state is None or _read is None or _read[0] != state:
        _read = state, load_settings()
    return _read[1]

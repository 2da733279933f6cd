"""Settings: from the environment and ``.env``, each secret also from the file that ``NAME_FILE`` names.

A wrong value is a ``ConfigurationError`` of one line that names the setting, the value and what is allowed.
"""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import BeforeValidator, Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, PydanticBaseSettingsSource, SettingsConfigDict
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from . import __version__, redaction
from .errors import ConfigurationError
from .providers import PROVIDERS
from .settings_errors import one_line
from .settings_files import PREFIX, SECRETS, given, secrets_from_files, unknown
from .values import Coordinates

_DURATION: Final = re.compile(r"([0-9]{1,9})\s*(s|m|min|h|d)")
_SECONDS: Final = {"s": 1, "m": 60, "min": 60, "h": 3600, "d": 86400}


def duration(value: object) -> object:
    """A duration from words such as ``10s``, ``15m``, ``1h`` or ``1d``; anything else as it came."""
    if not isinstance(value, str):
        return value
    match = _DURATION.fullmatch(value.strip().lower())
    if not match:
        raise ValueError("a whole number and a unit, such as 30s, 10m, 1h or 1d")
    return timedelta(seconds=int(match[1]) * _SECONDS[match[2]])


def _names(value: object) -> object:
    return [name.strip() for name in value.split(",") if name.strip()] if isinstance(value, str) else value


def _known_providers(names: list[str]) -> list[str]:
    for name in names:
        if name not in PROVIDERS:
            raise ValueError(f"one or more of {', '.join(PROVIDERS)}, separated by commas")
    return names


def _one_of(*words: str) -> BeforeValidator:
    """Take one of these words in capitals or small letters; anything else stays as it was typed."""
    spelt = {word.lower(): word for word in words}
    return BeforeValidator(lambda value: spelt.get(value.strip().lower(), value) if isinstance(value, str) else value)


def _plain(name: str) -> Any:
    return Field(validation_alias=name)


class Settings(BaseSettings):
    """All settings, validated (see ``docs/settings.md``)."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_file=".env",
        extra="ignore",
        env_ignore_empty=True,
        frozen=True,
        str_strip_whitespace=True,
        validate_by_name=True,
        validate_by_alias=True,
    )

    owm_api_key: Annotated[SecretStr | None, _plain("OWM_API_KEY")] = None
    weatherstack_api_key: Annotated[SecretStr | None, _plain("WEATHERSTACK_API_KEY")] = None
    database_url: Annotated[SecretStr, _plain("DATABASE_URL")] = SecretStr("sqlite:///data/meteorograph.db")
    host: Annotated[str, _plain("HOST"), Field(min_length=1, max_length=255)] = "127.0.0.1"
    port: Annotated[int, _plain("PORT"), Field(ge=0, le=65535)] = 8000
    log_level: Annotated[
        Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"],
        _plain("LOG_LEVEL"),
        _one_of("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"),
    ] = "INFO"
    log_format: Annotated[Literal["console", "json"], _plain("LOG_FORMAT"), _one_of("console", "json")] = "console"
    log_file: Path | None = None
    log_file_bytes: Annotated[int, Field(ge=10_000)] = 10_000_000
    log_file_count: Annotated[int, Field(ge=1, le=1000)] = 5

    providers: Annotated[list[str], NoDecode, BeforeValidator(_names)] = ["openweathermap"]
    precipitation_providers: Annotated[list[str], NoDecode, BeforeValidator(_names)] = [
        "weatherstack",
        "openweathermap",
    ]
    interval: Annotated[timedelta, BeforeValidator(duration)] = timedelta(hours=1)
    scheduler_enabled: bool = True
    default_latitude: Annotated[float, Field(ge=-90, le=90, allow_inf_nan=False)] = 51.5074
    default_longitude: Annotated[float, Field(ge=-180, le=180, allow_inf_nan=False)] = -0.1278
    default_location: Annotated[str, Field(min_length=1, max_length=200)] = "London"

    http_timeout_seconds: Annotated[float, Field(gt=0, le=300, allow_inf_nan=False)] = 10
    concurrency: Annotated[int, Field(ge=1, le=4096)] = 64
    owm_calls_per_minute: Annotated[int, Field(ge=1)] = 60
    owm_calls_per_month: Annotated[int, Field(ge=1)] = 1_000_000
    weatherstack_calls_per_month: Annotated[int, Field(ge=1)] = 100
    spread_seconds: Annotated[int, Field(ge=0, le=3600)] = 0
    owm_base_url: str = "https://api.openweathermap.org"
    weatherstack_base_url: str = "https://api.weatherstack.com"
    user_agent: str = f"meteorograph/{__version__}"
    #: Whether the data are simulated; ``serve --demo`` sets it.
    demo: bool = False
    api_tokens: Annotated[list[SecretStr], NoDecode, BeforeValidator(_names)] = []

    @field_validator("providers", "precipitation_providers")
    @classmethod
    def _check_providers(cls, names: list[str]) -> list[str]:
        return _known_providers(names)

    @field_validator("providers")
    @classmethod
    def _check_some_provider(cls, names: list[str]) -> list[str]:
        if not names:
            raise ValueError(f"one or more of {', '.join(PROVIDERS)}, separated by commas")
        return names

    @field_validator("owm_api_key", "weatherstack_api_key")
    @classmethod
    def _strip(cls, key: SecretStr | None) -> SecretStr | None:
        text = key.get_secret_value().strip() if key else ""
        return SecretStr(text) if text else None

    @field_validator("user_agent")
    @classmethod
    def _check_header(cls, value: str) -> str:
        if not re.fullmatch(r"[ -~]{1,200}", value):
            raise ValueError("1 to 200 ASCII characters on one line")
        return value

    @field_validator("interval")
    @classmethod
    def _check_interval(cls, value: timedelta) -> timedelta:
        if not timedelta(seconds=1) <= value <= timedelta(days=1):
            raise ValueError("from 1s to 24h")
        return value

    @field_validator("owm_base_url", "weatherstack_base_url")
    @classmethod
    def _check_url(cls, value: str) -> str:
        if not re.fullmatch(r"https?://([^\s/?#@:\[\]]+|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?(/[^\s?#]*)?", value):
            raise ValueError("an http:// or https:// address without a query, a fragment or a password")
        return value.rstrip("/")

    @field_validator("database_url")
    @classmethod
    def _check_database(cls, value: SecretStr) -> SecretStr:
        allowed = "sqlite:///path/to/file.db or postgresql://user:password@host/name"
        try:
            backend = make_url(value.get_secret_value()).get_backend_name()
        except (ArgumentError, ValueError):
            raise ValueError(allowed) from None
        if backend not in ("sqlite", "postgresql", "postgres"):
            raise ValueError(allowed)
        return value

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[Any, ...]:
        """Arguments first, then the environment, ``.env``, and the files that ``NAME_FILE`` names."""
        return init_settings, env_settings, dotenv_settings, secrets_from_files

    @property
    def default_coordinates(self) -> Coordinates:
        """The point that is collected when no location is named."""
        return Coordinates(self.default_latitude, self.default_longitude)

    @property
    def default_is_chosen(self) -> bool:
        """Whether the user named the default place, rather than leaving it at ours."""
        return bool({"default_latitude", "default_longitude", "default_location"} & self.model_fields_set)

    def key(self, provider: str) -> str | None:
        """The key for a provider, or None."""
        secret = {"openweathermap": self.owm_api_key, "weatherstack": self.weatherstack_api_key}[provider]
        return secret.get_secret_value() if secret else None

    def limits(self, provider: str) -> dict[str, int]:
        """Calls that the account with a provider may make, by window (``quota.py``), shortest first."""
        return {
            "openweathermap": {"minute": self.owm_calls_per_minute, "month": self.owm_calls_per_month},
            "weatherstack": {"month": self.weatherstack_calls_per_month},
        }[provider]

    def base_url(self, provider: str) -> str:
        """Where a provider is called."""
        return {"openweathermap": self.owm_base_url, "weatherstack": self.weatherstack_base_url}[provider]


def setting_names() -> dict[str, str]:
    """The name of every setting in the environment, by field of ``Settings``."""
    return {name: str(field.validation_alias or PREFIX + name.upper()) for name, field in Settings.model_fields.items()}


def _one_line(error: ValidationError) -> str:
    """The first thing wrong."""
    first, names = error.errors(include_url=False)[0], setting_names()
    told = str(first["loc"][0])
    field = next(name for name in names if told in (name, names[name]))
    return one_line(names[field], Settings.model_fields[field], first, secret=names[field] in SECRETS)


def unknown_settings() -> list[str]:
    """A line for every name that is set, looks like one of ours and is none."""
    return list(unknown(setting_names().values()))


def load_settings(**values: Any) -> Settings:
    """Read the settings as they are now, and let the logs know what is secret in them.

    Raises:
        ConfigurationError: A value cannot be used; one line that names setting, value and what is allowed.
    """
    told = given()  # also so that a .env that cannot be read is told as such
    redaction.hide(*(part.strip() for name in SECRETS if name != "DATABASE_URL" for part in told.get(name, "").split(",")))
    try:
        settings = Settings(**values)
    except ValidationError as error:
        raise ConfigurationError(_one_line(error)) from None
    redaction.hide(*_secret_texts(settings))
    return settings


def _secret_texts(settings: Settings) -> list[str]:
    secrets = [settings.owm_api_key, settings.weatherstack_api_key, *settings.api_tokens]
    password = make_url(settings.database_url.get_secret_value()).password
    return [secret.get_secret_value() for secret in secrets if secret] + ([password] if password else [])


_pinned: Settings | None = None


def pin_settings(settings: Settings | None) -> None:
    """Use these settings in this process from now on; None goes back to the environment."""
    global _pinned
    _pinned = settings
    if settings is not None:
        redaction.hide(*_secret_texts(settings))


def get_settings() -> Settings:
    """The settings in force: those pinned, or what the environment says now."""
    return _pinned if _pinned is not None else load_settings()

"""The settings and their validation. They come from the environment, ``.env``, and secret files (``NAME_FILE``)."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, create_model
from pydantic_settings import BaseSettings, NoDecode, PydanticBaseSettingsSource, SettingsConfigDict

from ..model.account import Account
from ..model.time_range import parse_duration
from ..model.values import Coordinates
from ..providers.base import History
from ..providers.open_meteo import geocoding
from ..providers.registry import PROVIDERS
from ..version import __version__
from . import channels, checks
from .provider_settings import (
    ACCOUNTS,
    BaseUrl,
    parse_quantity_providers,
    provider_fields,
    require_history,
    require_known,
    split_names,
)
from .sources import secrets_from_files, values_of_fields


def duration(value: object) -> object:
    """Parse a duration (``model/time_range.py``); a value of another type is not changed."""
    return parse_duration(value) if isinstance(value, str) else value


def _one_of(*words: str) -> BeforeValidator:
    """Accept these words in upper or lower case; any other value is not changed."""
    by_lower_case = {word.lower(): word for word in words}
    return BeforeValidator(lambda value: by_lower_case.get(value.strip().lower(), value) if isinstance(value, str) else value)


def _alias(name: str) -> Any:
    """A field whose environment variable has this name, without the prefix."""
    return Field(validation_alias=name)


class Settings(BaseSettings):
    """The settings, validated (``docs/settings.md``).

    ``key``, ``account`` and ``base_url`` give the settings of the providers, whose fields come from the registry
    (``COMPLETE_SETTINGS``).
    """

    model_config = SettingsConfigDict(
        extra="ignore",
        frozen=True,
        str_strip_whitespace=True,
        validate_by_name=True,
        validate_by_alias=True,
    )

    database_url: Annotated[SecretStr, _alias("DATABASE_URL"), AfterValidator(checks.check_database_url)] = SecretStr(
        "sqlite:///data/meteorograph.db"
    )
    db_schema: Annotated[str | None, AfterValidator(checks.check_schema)] = None
    db_pool_size: Annotated[int | None, Field(ge=1, le=1000)] = None
    db_max_overflow: Annotated[int | None, Field(ge=0, le=1000)] = None
    db_pool_recycle_seconds: Annotated[int | None, Field(ge=0, le=604_800)] = None
    db_pool_timeout_seconds: Annotated[float, Field(gt=0, le=600, allow_inf_nan=False)] = 30
    db_pool_pre_ping: bool | None = None
    db_prepared_statements: bool | None = None
    db_lock_timeout_seconds: Annotated[float | None, Field(ge=0.1, le=3600, allow_inf_nan=False)] = None
    db_statement_timeout_seconds: Annotated[float, Field(ge=1, le=3600, allow_inf_nan=False)] = 60
    db_idle_transaction_timeout_seconds: Annotated[float, Field(ge=1, le=3600, allow_inf_nan=False)] = 15
    host: Annotated[str, _alias("HOST"), Field(min_length=1, max_length=255)] = "127.0.0.1"
    port: Annotated[int, _alias("PORT"), Field(ge=0, le=65535)] = 8000
    log_level: Annotated[
        Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"],
        _alias("LOG_LEVEL"),
        _one_of("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"),
    ] = "INFO"
    log_format: Annotated[Literal["console", "json"], _alias("LOG_FORMAT"), _one_of("console", "json")] = "console"
    log_file: Annotated[Path | None, AfterValidator(checks.check_path)] = None
    log_file_bytes: Annotated[int, Field(ge=10_000)] = 10_000_000
    log_file_count: Annotated[int, Field(ge=1, le=1000)] = 5

    providers: Annotated[list[str], NoDecode, BeforeValidator(split_names), AfterValidator(checks.check_providers)] = [
        "openweathermap"
    ]
    precipitation_providers: Annotated[list[str], NoDecode, BeforeValidator(split_names), AfterValidator(require_known)] = [
        "weatherstack",
        "openweathermap",
    ]
    backfill_providers: Annotated[list[str], NoDecode, BeforeValidator(split_names), AfterValidator(require_history)] = []
    healing: bool = True
    healing_days: Annotated[int, Field(ge=1, le=3650)] = 30
    quantity_providers: Annotated[dict[str, list[str]], NoDecode, BeforeValidator(parse_quantity_providers)] = {}
    interval: Annotated[timedelta, BeforeValidator(duration), AfterValidator(checks.check_interval)] = timedelta(hours=1)
    #: How long after its instant a slot may still be collected; None: as long as its interval, an hour at least.
    grace: Annotated[timedelta | None, BeforeValidator(duration), AfterValidator(checks.check_grace)] = None
    scheduler_enabled: bool = True
    jobs: Annotated[list[str], NoDecode, BeforeValidator(split_names)] = []
    job_threads: Annotated[int, Field(ge=1, le=64)] = 8
    default_latitude: Annotated[float, Field(ge=-90, le=90, allow_inf_nan=False)] = 51.5074
    default_longitude: Annotated[float, Field(ge=-180, le=180, allow_inf_nan=False)] = -0.1278
    default_location: Annotated[str, Field(min_length=1, max_length=200), AfterValidator(checks.check_location_name)] = "London"

    http_timeout_seconds: Annotated[float, Field(gt=0, le=300, allow_inf_nan=False)] = 10
    concurrency: Annotated[int, Field(ge=1, le=4096)] = 64
    #: What dispatches the shards of runs: each process looks for them, or Procrastinate.
    engine: Annotated[Literal["local", "procrastinate"], _one_of("local", "procrastinate")] = "local"
    workers: Annotated[int | None, Field(ge=0, le=256)] = None
    shard_size: Annotated[int, Field(ge=10, le=100_000)] = 1000
    spread_seconds: Annotated[int, Field(ge=0, le=3600)] = 0
    journal_dir: Annotated[Path, AfterValidator(checks.check_path)] = Path("data/journal")
    journal_days: Annotated[int, Field(ge=0, le=36500)] = 30
    #: Where copies of journal files are for other hosts: an fsspec URL; None for nowhere.
    journal_store: Annotated[str | None, AfterValidator(checks.check_store_url)] = None
    #: Age at which rows are sealed into the archive [days]; 0 for never. Tag → the same for its locations; the longest counts.
    retention_days: Annotated[int, Field(ge=0, le=36500)] = 0
    retention_days_by_tag: Annotated[
        dict[str, int], NoDecode, BeforeValidator(checks.parse_days_by_tag), AfterValidator(checks.check_days_by_tag)
    ] = {}
    archive_dir: Annotated[Path, AfterValidator(checks.check_path)] = Path("data/archive")
    #: Where the service makes backups of its SQLite file; None for none.
    backup_dir: Annotated[Path, AfterValidator(checks.check_path)] | None = None
    backup_hours: Annotated[int, Field(ge=1, le=8760)] = 24
    backup_keep: Annotated[int, Field(ge=1, le=1000)] = 7
    #: Where alerts go: name of a channel → its address for Apprise.
    alert_channels: Annotated[
        dict[str, SecretStr], NoDecode, BeforeValidator(channels.parse_entries), AfterValidator(channels.check_channels)
    ] = {}
    alert_messages_per_hour: Annotated[int, Field(ge=1, le=1000)] = 30
    webhooks: Annotated[
        dict[str, SecretStr], NoDecode, BeforeValidator(channels.parse_entries), AfterValidator(channels.check_webhooks)
    ] = {}
    webhook_secrets: Annotated[
        dict[str, SecretStr], NoDecode, BeforeValidator(channels.parse_entries), AfterValidator(channels.check_webhook_secrets)
    ] = {}
    ping_url: Annotated[SecretStr | None, AfterValidator(channels.check_ping_url)] = None
    geocoding_base_url: BaseUrl = geocoding.BASE_URL
    user_agent: Annotated[str, AfterValidator(checks.check_user_agent)] = f"meteorograph/{__version__}"
    #: Whether the data are simulated; ``serve --demo`` sets it.
    demo: bool = False
    cors_origins: Annotated[list[str], NoDecode, BeforeValidator(split_names), AfterValidator(checks.check_origins)] = []
    api_tokens: Annotated[list[SecretStr], NoDecode, BeforeValidator(split_names), AfterValidator(checks.check_tokens)] = []
    allow_anonymous: bool = False
    #: Whether ``/metrics`` has series of each location; ``auto``: up to 1,000 scheduled locations.
    metrics_locations: Annotated[Literal["auto", "true", "false"], _one_of("auto", "true", "false")] = "auto"
    read_access: Annotated[Literal["open", "token"], _one_of("open", "token")] = "open"
    requests_per_minute: Annotated[int | None, Field(ge=1)] = None
    trusted_hosts: Annotated[list[str], NoDecode, BeforeValidator(split_names), AfterValidator(checks.check_hosts)] = []
    proxies: Annotated[int, Field(ge=0, le=10)] = 0
    #: Language of the messages of alerts. Pages have the language of their reader.
    language: Annotated[Literal["en", "de", "fr", "es", "el"], _one_of("en", "de", "fr", "es", "el")] = "en"
    #: Where the map of the pages gets tiles instead of its own outline of the world, and whose they are.
    map_tiles: Annotated[str | None, AfterValidator(checks.check_tiles)] = None
    map_attribution: Annotated[str | None, Field(min_length=1, max_length=300)] = None

    mqtt_url: Annotated[SecretStr | None, AfterValidator(checks.check_mqtt_url)] = None
    mqtt_topic: Annotated[str, AfterValidator(checks.check_topic)] = "meteorograph"
    #: What Home Assistant's discovery topics begin with; ``none`` for no discovery.
    mqtt_discovery: Annotated[str, AfterValidator(checks.check_topic)] = "homeassistant"
    influxdb_url: Annotated[str | None, AfterValidator(checks.check_http_url)] = None
    influxdb_org: Annotated[str | None, Field(min_length=1, max_length=200)] = None
    influxdb_bucket: Annotated[str, Field(min_length=1, max_length=200)] = "meteorograph"
    influxdb_token: SecretStr | None = None
    influxdb_file: Annotated[Path | None, AfterValidator(checks.check_path)] = None

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[Any, ...]:
        """Precedence: arguments, the environment, ``.env``, and the files that ``NAME_FILE`` names."""
        return init_settings, lambda: values_of_fields(settings_cls.model_fields), secrets_from_files

    @property
    def default_coordinates(self) -> Coordinates:
        """The coordinates of the default location."""
        return Coordinates(self.default_latitude, self.default_longitude)

    @property
    def default_is_chosen(self) -> bool:
        """Whether the user set the default location."""
        return bool({"default_latitude", "default_longitude", "default_location"} & self.model_fields_set)

    @property
    def named_providers(self) -> list[str]:
        """All providers that the settings use for current weather, without duplicates."""
        others = (name for names in self.quantity_providers.values() for name in names)
        return list(dict.fromkeys((*self.providers, *self.precipitation_providers, *others)))

    def quantity_orders(self) -> dict[str, list[str]]:
        """Quantity → providers of this quantity alone, in order; the other quantities come with the observation.

        Precipitation comes with the observation too where none of its providers can be used.
        """
        can_be_used = any(self.key(name) is not None for name in self.precipitation_providers)
        precipitation = {"precipitation": self.precipitation_providers} if can_be_used else {}
        return {**precipitation, **self.quantity_providers}

    @property
    def keeps_own_precipitation(self) -> bool:
        """Whether precipitation comes with the observation where its providers give none: unless the user has chosen them."""
        return "precipitation_providers" not in self.model_fields_set

    def key(self, provider: str) -> str | None:
        """The key for a provider: None if it is missing, an empty text if the provider needs none."""
        name = PROVIDERS[provider].key_setting
        secret: SecretStr | None = self._provider_setting(name) if name else SecretStr("")
        return None if secret is None else secret.get_secret_value()

    def account(self, name: str) -> Account:
        """The account of a provider, or of its history: its quotas by these settings, and the zone of its days."""
        setting, windows, zone = ACCOUNTS[name]
        limits = {window: self._provider_setting(f"{setting}_calls_per_{window}") for window in windows}
        return Account(name, limits, zone)

    def base_url(self, provider: str, history: History | None = None) -> str:
        """The address of a provider, or of one of its histories."""
        setting = history.setting if history and history.setting and history.base_url else PROVIDERS[provider].setting
        url: str = self._provider_setting(f"{setting}_base_url")
        return url

    def _provider_setting(self, name: str) -> Any:
        """The value of a field that comes from the registry of providers."""
        return getattr(self, name.lower())


#: ``Settings`` with a field for every provider setting. ``load_settings`` makes instances of this class; they are typed as
#: ``Settings``, so that a type checker knows every field, and read the provider settings through its methods.
COMPLETE_SETTINGS: Final[type[Settings]] = create_model(
    "Settings", __base__=Settings, __module__=__name__, __doc__=Settings.__doc__, **dict(provider_fields())
)


#: Largest request body [bytes], except a file that is imported.
MAX_BODY_BYTES: Final = 64 * 1024

#: Largest file that can be imported [bytes]; 100,000 rows are about 6 MB.
MAX_IMPORT_BYTES: Final = 32 * 1024 * 1024

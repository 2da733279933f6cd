"""Settings: where they come from, what they take, and what is said of one that is wrong."""

from __future__ import annotations

import base64
import logging
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from urllib.parse import quote

import pytest
from sqlalchemy.engine import make_url

from meteorograph import __version__, logs, redaction
from meteorograph.config.loading import get_settings, load_settings, pin_settings, setting_names, unknown_settings
from meteorograph.config.settings import COMPLETE_SETTINGS, duration
from meteorograph.config.sources import SECRETS
from meteorograph.errors import ConfigurationError
from meteorograph.providers.registry import PROVIDERS
from support import KEY, RAIN_KEY

PASSWORD = "hunter2-and-more"

#: Setting, text, field, value.
#: A secret of Standard Webhooks, without its prefix.
WHSEC = base64.b64encode(b"24 bytes are the shortest").decode()

GOOD = [
    ("OWM_API_KEY", KEY, "owm_api_key", KEY),
    ("WEATHERSTACK_API_KEY", KEY, "weatherstack_api_key", KEY),
    ("DATABASE_URL", f"postgresql://u:{PASSWORD}@h/n", "database_url", f"postgresql://u:{PASSWORD}@h/n"),
    ("HOST", "0.0.0.0", "host", "0.0.0.0"),  # noqa: S104  # only read, not listened on
    ("PORT", "0", "port", 0),
    ("LOG_LEVEL", "debug", "log_level", "DEBUG"),
    ("LOG_FORMAT", "JSON", "log_format", "json"),
    ("METEOROGRAPH_LOG_FILE", "logs/a.log", "log_file", Path("logs/a.log")),
    ("METEOROGRAPH_LOG_FILE_BYTES", "10000", "log_file_bytes", 10_000),
    ("METEOROGRAPH_LOG_FILE_COUNT", "1", "log_file_count", 1),
    ("METEOROGRAPH_PROVIDERS", " weatherstack , openweathermap ,", "providers", ["weatherstack", "openweathermap"]),
    ("METEOROGRAPH_PRECIPITATION_PROVIDERS", "openweathermap", "precipitation_providers", ["openweathermap"]),
    (
        "METEOROGRAPH_QUANTITY_PROVIDERS",
        " pressure = weatherstack, openweathermap ; visibility= ;",
        "quantity_providers",
        {"pressure": ["weatherstack", "openweathermap"], "visibility": []},
    ),
    ("METEOROGRAPH_INTERVAL", "15m", "interval", timedelta(minutes=15)),
    ("METEOROGRAPH_SCHEDULER_ENABLED", "no", "scheduler_enabled", False),
    ("METEOROGRAPH_DEFAULT_LATITUDE", "-90", "default_latitude", -90.0),
    ("METEOROGRAPH_DEFAULT_LONGITUDE", "180", "default_longitude", 180.0),
    ("METEOROGRAPH_DEFAULT_LOCATION", " Cork ", "default_location", "Cork"),
    ("METEOROGRAPH_HTTP_TIMEOUT_SECONDS", "0.5", "http_timeout_seconds", 0.5),
    ("METEOROGRAPH_CONCURRENCY", "1", "concurrency", 1),
    ("METEOROGRAPH_OWM_CALLS_PER_MINUTE", "600", "owm_calls_per_minute", 600),
    ("METEOROGRAPH_OWM_CALLS_PER_MONTH", "1", "owm_calls_per_month", 1),
    ("METEOROGRAPH_WEATHERSTACK_CALLS_PER_MONTH", "10000", "weatherstack_calls_per_month", 10_000),
    ("METEOROGRAPH_SPREAD_SECONDS", "300", "spread_seconds", 300),
    ("METEOROGRAPH_OWM_BASE_URL", "http://[::1]:81/a/", "owm_base_url", "http://[::1]:81/a"),
    ("METEOROGRAPH_WEATHERSTACK_BASE_URL", "https://h", "weatherstack_base_url", "https://h"),
    ("METEOROGRAPH_OPEN_METEO_ARCHIVE_BASE_URL", "https://h/a/", "open_meteo_archive_base_url", "https://h/a"),
    ("METEOROGRAPH_OPEN_METEO_BASE_URL", "http://h:8001", "open_meteo_base_url", "http://h:8001"),
    ("METEOROGRAPH_OPEN_METEO_CALLS_PER_MINUTE", "60", "open_meteo_calls_per_minute", 60),
    ("METEOROGRAPH_OPEN_METEO_CALLS_PER_HOUR", "400", "open_meteo_calls_per_hour", 400),
    ("METEOROGRAPH_OPEN_METEO_CALLS_PER_DAY", "500", "open_meteo_calls_per_day", 500),
    ("METEOROGRAPH_OWM_ONECALL_CALLS_PER_DAY", "2000", "owm_onecall_calls_per_day", 2000),
    ("METEOROGRAPH_HEALING", "off", "healing", False),
    ("METEOROGRAPH_HEALING_DAYS", "7", "healing_days", 7),
    ("METEOROGRAPH_BACKFILL_PROVIDERS", "open-meteo", "backfill_providers", ["open-meteo"]),
    ("METEOROGRAPH_JOURNAL_DIR", "kept/journal", "journal_dir", Path("kept/journal")),
    ("METEOROGRAPH_JOURNAL_DAYS", "0", "journal_days", 0),
    ("METEOROGRAPH_JOURNAL_STORE", "s3://bucket/journal", "journal_store", "s3://bucket/journal"),
    ("METEOROGRAPH_RETENTION_DAYS", "400", "retention_days", 400),
    ("METEOROGRAPH_RETENTION_DAYS_BY_TAG", "a=b=30; c=0", "retention_days_by_tag", {"a=b": 30, "c": 0}),
    ("METEOROGRAPH_ARCHIVE_DIR", "kept/archive", "archive_dir", Path("kept/archive")),
    ("METEOROGRAPH_BACKUP_DIR", "kept/backups", "backup_dir", Path("kept/backups")),
    ("METEOROGRAPH_BACKUP_HOURS", "6", "backup_hours", 6),
    ("METEOROGRAPH_BACKUP_KEEP", "1", "backup_keep", 1),
    ("METEOROGRAPH_ALERT_CHANNELS", "a=json://h/x  b=ntfys://t", "alert_channels", {"a": "json://h/x", "b": "ntfys://t"}),
    ("METEOROGRAPH_ALERT_MESSAGES_PER_HOUR", "5", "alert_messages_per_hour", 5),
    ("METEOROGRAPH_WEBHOOKS", "a=https://h/x", "webhooks", {"a": "https://h/x"}),
    ("METEOROGRAPH_WEBHOOK_SECRETS", f"a=whsec_{WHSEC}", "webhook_secrets", {"a": f"whsec_{WHSEC}"}),
    ("METEOROGRAPH_PING_URL", "https://h/ping", "ping_url", "https://h/ping"),
    ("METEOROGRAPH_GEOCODING_BASE_URL", "http://h:8001", "geocoding_base_url", "http://h:8001"),
    ("METEOROGRAPH_USER_AGENT", "me/1 (me@h)", "user_agent", "me/1 (me@h)"),
    ("METEOROGRAPH_DEMO", "true", "demo", True),
    ("METEOROGRAPH_ALLOW_ANONYMOUS", "true", "allow_anonymous", True),
    ("METEOROGRAPH_METRICS_LOCATIONS", "True", "metrics_locations", "true"),
    ("METEOROGRAPH_READ_ACCESS", "Token", "read_access", "token"),
    ("METEOROGRAPH_REQUESTS_PER_MINUTE", "600", "requests_per_minute", 600),
    ("METEOROGRAPH_TRUSTED_HOSTS", "Weather.example.org., 192.0.2.1", "trusted_hosts", ["weather.example.org", "192.0.2.1"]),
    ("METEOROGRAPH_PROXIES", "1", "proxies", 1),
    ("METEOROGRAPH_LANGUAGE", "DE", "language", "de"),
    ("METEOROGRAPH_MAP_TILES", "https://h:81/a/{z}/{x}/{y}.png", "map_tiles", "https://h:81/a/{z}/{x}/{y}.png"),
    ("METEOROGRAPH_MAP_ATTRIBUTION", "© me", "map_attribution", "© me"),
    ("METEOROGRAPH_GRACE", "4h", "grace", timedelta(hours=4)),
    ("METEOROGRAPH_MQTT_URL", f"mqtts://u:{PASSWORD}@[::1]:883", "mqtt_url", f"mqtts://u:{PASSWORD}@[::1]:883"),
    ("METEOROGRAPH_MQTT_TOPIC", "cabin/weather", "mqtt_topic", "cabin/weather"),
    ("METEOROGRAPH_MQTT_DISCOVERY", "none", "mqtt_discovery", "none"),
    ("METEOROGRAPH_INFLUXDB_URL", "https://influx.lan/base", "influxdb_url", "https://influx.lan/base"),
    ("METEOROGRAPH_INFLUXDB_ORG", "home", "influxdb_org", "home"),
    ("METEOROGRAPH_INFLUXDB_BUCKET", "weather", "influxdb_bucket", "weather"),
    ("METEOROGRAPH_INFLUXDB_TOKEN", KEY, "influxdb_token", KEY),
    ("METEOROGRAPH_INFLUXDB_FILE", "out/weather.lp", "influxdb_file", Path("out/weather.lp")),
    ("METEOROGRAPH_DB_SCHEMA", "weather", "db_schema", "weather"),
    ("METEOROGRAPH_DB_POOL_SIZE", "3", "db_pool_size", 3),
    ("METEOROGRAPH_DB_MAX_OVERFLOW", "0", "db_max_overflow", 0),
    ("METEOROGRAPH_DB_POOL_RECYCLE_SECONDS", "60", "db_pool_recycle_seconds", 60),
    ("METEOROGRAPH_DB_POOL_TIMEOUT_SECONDS", "0.5", "db_pool_timeout_seconds", 0.5),
    ("METEOROGRAPH_DB_POOL_PRE_PING", "false", "db_pool_pre_ping", False),
    ("METEOROGRAPH_DB_PREPARED_STATEMENTS", "true", "db_prepared_statements", True),
    ("METEOROGRAPH_DB_LOCK_TIMEOUT_SECONDS", "5", "db_lock_timeout_seconds", 5.0),
    ("METEOROGRAPH_DB_STATEMENT_TIMEOUT_SECONDS", "5", "db_statement_timeout_seconds", 5.0),
    ("METEOROGRAPH_DB_IDLE_TRANSACTION_TIMEOUT_SECONDS", "5", "db_idle_transaction_timeout_seconds", 5.0),
    ("METEOROGRAPH_WORKERS", "2", "workers", 2),
    ("METEOROGRAPH_ENGINE", "Procrastinate", "engine", "procrastinate"),
    ("METEOROGRAPH_SHARD_SIZE", "500", "shard_size", 500),
    ("METEOROGRAPH_JOBS", "weather_jobs, other.jobs", "jobs", ["weather_jobs", "other.jobs"]),
    ("METEOROGRAPH_JOB_THREADS", "2", "job_threads", 2),
    ("METEOROGRAPH_CORS_ORIGINS", "https://a.example, http://[::1]:81", "cors_origins", ["https://a.example", "http://[::1]:81"]),
    ("METEOROGRAPH_API_TOKENS", f" {KEY}, {RAIN_KEY}", "api_tokens", [KEY, RAIN_KEY]),
]

_URL = "sqlite:///path/to/file.db or postgresql://user:password@host/name"
_ADDRESS = "an http:// or https:// address without a query, a fragment or a password"
_PROVIDERS = f"one or more of {', '.join(PROVIDERS)}, separated by commas"
_WITH_HISTORY = "one or more of the providers with a history, openweathermap, open-meteo, separated by commas"
_AGENT = "1 to 200 ASCII characters on one line"
_ORIGINS = "origins such as https://weather.example.org, in lower case and without a path, separated by commas"
_HOSTS = "names or addresses without a port, such as weather.example.org, separated by commas"
_TILES = "a URL such as https://tiles.example.org/{z}/{x}/{y}.png, with one host in lower case and {z}, {x} and {y}"
_DURATION = "a whole number and a unit, such as 30s, 10m, 1h or 1d"

#: Setting, text, the text as it is shown, what is allowed.
WRONG = [
    (
        "METEOROGRAPH_JOURNAL_STORE",
        "share/journal",
        "share/journal",
        "a URL such as s3://bucket/prefix or file:///mnt/share/journal",
    ),
    (
        "METEOROGRAPH_JOURNAL_STORE",
        "file://share",
        "file://share",
        "a URL such as s3://bucket/prefix or file:///mnt/share/journal",
    ),
    (
        "METEOROGRAPH_JOURNAL_STORE",
        "s3://k:very-secret@b?x",
        "s3://k:[redacted]@b?x",
        "a URL such as s3://bucket/prefix or file:///mnt/share/journal",
    ),
    (
        "METEOROGRAPH_JOURNAL_STORE",
        "simplecache::s3://b",
        "simplecache::s3://b",
        "a URL such as s3://bucket/prefix or file:///mnt/share/journal",
    ),
    ("PORT", "web", "web", "a whole number from 0 to 65535"),
    ("PORT", "65536", "65536", "a whole number from 0 to 65535"),
    ("PORT", "-1", "-1", "a whole number from 0 to 65535"),
    ("PORT", "80.5", "80.5", "a whole number from 0 to 65535"),
    ("PORT", "1\n2\x1b[31m", "1 2?[31m", "a whole number from 0 to 65535"),
    ("PORT", "9" * 5000, "9" * 100 + "…", "a whole number from 0 to 65535"),
    ("HOST", " ", "", "a text of 1 to 255 characters"),
    ("LOG_LEVEL", "Loud", "Loud", "DEBUG, INFO, WARNING, ERROR or CRITICAL"),
    ("LOG_FORMAT", "XML", "XML", "console or json"),
    ("METEOROGRAPH_ENGINE", "celery", "celery", "local or procrastinate"),
    ("METEOROGRAPH_LOG_FILE_BYTES", "9999", "9999", "a whole number of at least 10000"),
    ("METEOROGRAPH_LOG_FILE_COUNT", "0", "0", "a whole number from 1 to 1000"),
    ("METEOROGRAPH_PROVIDERS", "nosuch,weatherstack", "nosuch,weatherstack", _PROVIDERS),
    ("METEOROGRAPH_PROVIDERS", ",", ",", _PROVIDERS),
    ("METEOROGRAPH_PRECIPITATION_PROVIDERS", "rain", "rain", _PROVIDERS),
    ("METEOROGRAPH_BACKFILL_PROVIDERS", "open-meteo,met-norway", "open-meteo,met-norway", _WITH_HISTORY),
    ("METEOROGRAPH_BACKFILL_PROVIDERS", "nosuch", "nosuch", _WITH_HISTORY),
    ("METEOROGRAPH_INTERVAL", "hourly", "hourly", _DURATION),
    ("METEOROGRAPH_INTERVAL", "3600", "3600", _DURATION),
    ("METEOROGRAPH_INTERVAL", "-1h", "-1h", _DURATION),
    ("METEOROGRAPH_INTERVAL", "9" * 20 + "d", "9" * 20 + "d", _DURATION),
    ("METEOROGRAPH_INTERVAL", "0s", "0s", "from 1s to 24h"),
    ("METEOROGRAPH_INTERVAL", "25h", "25h", "from 1s to 24h"),
    ("METEOROGRAPH_SCHEDULER_ENABLED", "maybe", "maybe", "true or false"),
    ("METEOROGRAPH_CORS_ORIGINS", "*", "*", _ORIGINS),
    ("METEOROGRAPH_TRUSTED_HOSTS", "weather.example.org:8000", "weather.example.org:8000", _HOSTS),
    ("METEOROGRAPH_TRUSTED_HOSTS", "*.example.org", "*.example.org", _HOSTS),
    ("METEOROGRAPH_READ_ACCESS", "closed", "closed", "open or token"),
    ("METEOROGRAPH_LANGUAGE", "klingon", "klingon", "en, de, fr, es or el"),
    ("METEOROGRAPH_PROXIES", "-1", "-1", "a whole number from 0 to 10"),
    *(
        ("METEOROGRAPH_MAP_TILES", address, address, _TILES)
        for address in (
            "https://h/{z}/{x}.png",
            "https://h/{z}/{x}/{y}/{y}.png",
            "https://{s}.h/{z}/{x}/{y}.png",
            "https://*.h/{z}/{x}/{y}.png",
            "h/{z}/{x}/{y}.png",
            "ftp://h/{z}/{x}/{y}.png",
            "https://u@h/{z}/{x}/{y}.png",
            "https://h/{z}/{x}/{y}.png; script-src *",
        )
    ),
    ("METEOROGRAPH_CORS_ORIGINS", "https://a.example/", "https://a.example/", _ORIGINS),
    ("METEOROGRAPH_CORS_ORIGINS", "a.example", "a.example", _ORIGINS),
    ("METEOROGRAPH_DEMO", "perhaps", "perhaps", "true or false"),
    ("METEOROGRAPH_DEFAULT_LATITUDE", "90.01", "90.01", "a number from -90 to 90"),
    ("METEOROGRAPH_DEFAULT_LATITUDE", "nan", "nan", "a number from -90 to 90"),
    ("METEOROGRAPH_DEFAULT_LONGITUDE", "51N", "51N", "a number from -180 to 180"),
    ("METEOROGRAPH_DEFAULT_LONGITUDE", "-inf", "-inf", "a number from -180 to 180"),
    ("METEOROGRAPH_DEFAULT_LOCATION", "x" * 201, "x" * 100 + "…", "a text of 1 to 200 characters"),
    ("METEOROGRAPH_DEFAULT_LOCATION", "Lon\tdon", "Lon don", "a text of 1 to 200 characters, none of them a control character"),
    ("DATABASE_URL", "postgresql+pg8000://u@h/n", "postgresql+pg8000://u@h/n", _URL),
    ("DATABASE_URL", "sqlite+aiosqlite:///x.db", "sqlite+aiosqlite:///x.db", _URL),
    ("METEOROGRAPH_DEFAULT_LOCATION", "  ", "", "a text of 1 to 200 characters"),
    ("METEOROGRAPH_HTTP_TIMEOUT_SECONDS", "0", "0", "a number above 0 and at most 300"),
    ("METEOROGRAPH_HTTP_TIMEOUT_SECONDS", "inf", "inf", "a number above 0 and at most 300"),
    ("METEOROGRAPH_CONCURRENCY", "4097", "4097", "a whole number from 1 to 4096"),
    ("METEOROGRAPH_OWM_CALLS_PER_MINUTE", "0", "0", "a whole number of at least 1"),
    ("METEOROGRAPH_OWM_CALLS_PER_MONTH", "1e6", "1e6", "a whole number of at least 1"),
    ("METEOROGRAPH_WEATHERSTACK_CALLS_PER_MONTH", "none", "none", "a whole number of at least 1"),
    ("METEOROGRAPH_SPREAD_SECONDS", "3601", "3601", "a whole number from 0 to 3600"),
    ("METEOROGRAPH_OWM_BASE_URL", "ftp://h", "ftp://h", _ADDRESS),
    ("METEOROGRAPH_OWM_BASE_URL", "http://h:port", "http://h:port", _ADDRESS),
    ("METEOROGRAPH_OWM_BASE_URL", f"http://u:{PASSWORD}@h", "http://u:[redacted]@h", _ADDRESS),
    ("METEOROGRAPH_WEATHERSTACK_BASE_URL", f"http://h/?access_key={KEY}", "http://h/?access_key=[redacted]", _ADDRESS),
    ("METEOROGRAPH_USER_AGENT", "a\nb", "a b", _AGENT),
    ("METEOROGRAPH_USER_AGENT", "café", "café", _AGENT),
    ("DATABASE_URL", "weather.db", "weather.db", _URL),
    ("DATABASE_URL", f"mysql://u:{PASSWORD}@h/n", "mysql://u:[redacted]@h/n", _URL),
    ("DATABASE_URL", f"mysql://u:a/{PASSWORD}@b@h/n", "mysql://u:[redacted]@h/n", _URL),
    ("DATABASE_URL", f"postgresql://u:{PASSWORD}@h:port/n", "postgresql://u:[redacted]@h:port/n", _URL),
    ("DATABASE_URL", f"postgresql://u:a {PASSWORD}\n@h:port/n", "postgresql://u:[redacted]@h:port/n", _URL),
    ("DATABASE_URL", f"u:{PASSWORD}@h/n", ":[redacted]@h/n", _URL),
    ("DATABASE_URL", f"postgresql:/u:{PASSWORD}@h/n", ":[redacted]@h/n", _URL),
    ("DATABASE_URL", f"mysql://u@{PASSWORD}:b@h/n", "mysql://u:[redacted]@h/n", _URL),
    ("DATABASE_URL", f"postgresql://u:{PASSWORD}", "postgresql://u:[redacted]", _URL),
    ("DATABASE_URL", "mysql://h:3306/n", "mysql://h:3306/n", _URL),
]

#: What the registry of providers makes settings of: the addresses and quotas of those that are not tried one by one here.
OF_REGISTRY: dict[str, object] = {
    f"{provider.setting.lower()}_{name}": value
    for provider in PROVIDERS.values()
    for name, value in (
        ("base_url", provider.base_url),
        *((f"calls_per_{window}", limit) for window, limit in provider.windows.items()),
    )
}

DEFAULTS: dict[str, object] = OF_REGISTRY | {
    "owm_api_key": None,
    "weatherstack_api_key": None,
    "database_url": "sqlite:///data/meteorograph.db",
    "db_schema": None,
    "db_pool_size": None,
    "db_max_overflow": None,
    "db_pool_recycle_seconds": None,
    "db_pool_timeout_seconds": 30,
    "db_pool_pre_ping": None,
    "db_prepared_statements": None,
    "db_lock_timeout_seconds": None,
    "db_statement_timeout_seconds": 60.0,
    "db_idle_transaction_timeout_seconds": 15.0,
    "workers": None,
    "engine": "local",
    "shard_size": 1000,
    "jobs": [],
    "job_threads": 8,
    "allow_anonymous": False,
    "metrics_locations": "auto",
    "read_access": "open",
    "requests_per_minute": None,
    "trusted_hosts": [],
    "proxies": 0,
    "language": "en",
    "map_tiles": None,
    "map_attribution": None,
    "grace": None,
    "mqtt_url": None,
    "mqtt_topic": "meteorograph",
    "mqtt_discovery": "homeassistant",
    "influxdb_url": None,
    "influxdb_org": None,
    "influxdb_bucket": "meteorograph",
    "influxdb_token": None,
    "influxdb_file": None,
    "cors_origins": [],
    "host": "127.0.0.1",
    "port": 8000,
    "log_level": "INFO",
    "log_format": "console",
    "log_file": None,
    "log_file_bytes": 10_000_000,
    "log_file_count": 5,
    "providers": ["openweathermap"],
    "quantity_providers": {},
    "healing": True,
    "healing_days": 30,
    "backfill_providers": [],
    "journal_dir": Path("data/journal"),
    "journal_days": 30,
    "journal_store": None,
    "retention_days": 0,
    "retention_days_by_tag": {},
    "archive_dir": Path("data/archive"),
    "backup_dir": None,
    "backup_hours": 24,
    "backup_keep": 7,
    "geocoding_base_url": "https://geocoding-api.open-meteo.com",
    "alert_channels": {},
    "alert_messages_per_hour": 30,
    "webhooks": {},
    "webhook_secrets": {},
    "ping_url": None,
    "precipitation_providers": ["weatherstack", "openweathermap"],
    "interval": timedelta(hours=1),
    "scheduler_enabled": True,
    "default_latitude": 51.5074,
    "default_longitude": -0.1278,
    "default_location": "London",
    "http_timeout_seconds": 10,
    "concurrency": 64,
    "owm_calls_per_minute": 60,
    "owm_calls_per_month": 1_000_000,
    "weatherstack_calls_per_month": 100,
    "spread_seconds": 0,
    "owm_base_url": "https://api.openweathermap.org",
    "weatherstack_base_url": "https://api.weatherstack.com",
    "owm_onecall_calls_per_day": 1000,
    "open_meteo_base_url": "https://api.open-meteo.com",
    "open_meteo_archive_base_url": "https://archive-api.open-meteo.com",
    "open_meteo_calls_per_minute": 600,
    "open_meteo_calls_per_hour": 5000,
    "open_meteo_calls_per_day": 10_000,
    "user_agent": f"meteorograph/{__version__}",
    "demo": False,
    "api_tokens": [],
}


@pytest.fixture(autouse=True)
def _own_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redaction, "_SECRETS", redaction.SecretRegistry())


def _plain(value: object) -> object:
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items()}
    return value.get_secret_value() if hasattr(value, "get_secret_value") else value


def _refused() -> str:
    with pytest.raises(ConfigurationError) as caught:
        load_settings()
    return str(caught.value)


def test_defaults() -> None:
    settings = load_settings()
    assert {name: _plain(getattr(settings, name)) for name in setting_names()} == DEFAULTS
    assert not settings.default_is_chosen


def test_every_setting_is_tried_here() -> None:
    tried = {field: name for name, _, field, _ in GOOD}
    assert {field: name for field, name in setting_names().items() if field not in OF_REGISTRY.keys() - tried.keys()} == tried


@pytest.mark.parametrize(("name", "text", "field", "value"), GOOD, ids=[row[0] for row in GOOD])
def test_from_the_environment(monkeypatch: pytest.MonkeyPatch, name: str, text: str, field: str, value: object) -> None:
    if name == "METEOROGRAPH_MAP_TILES":
        monkeypatch.setenv("METEOROGRAPH_MAP_ATTRIBUTION", "their owner")
    monkeypatch.setenv(name, text)
    assert _plain(getattr(load_settings(), field)) == value


@pytest.mark.parametrize(("name", "text", "field", "value"), GOOD, ids=[row[0] for row in GOOD])
def test_from_the_env_file(monkeypatch: pytest.MonkeyPatch, name: str, text: str, field: str, value: object) -> None:
    if name == "METEOROGRAPH_MAP_TILES":
        monkeypatch.setenv("METEOROGRAPH_MAP_ATTRIBUTION", "their owner")
    Path(".env").write_text(f"OTHER=1\n# a comment\nexport {name}='{text}'\n")
    assert _plain(getattr(load_settings(), field)) == value
    monkeypatch.setenv(name, "")
    assert _plain(getattr(load_settings(), field)) == value


def test_tiles_need_the_name_of_their_owner(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("METEOROGRAPH_MAP_TILES", "https://h/{z}/{x}/{y}.png")
    with pytest.raises(ConfigurationError, match="METEOROGRAPH_MAP_TILES is set without METEOROGRAPH_MAP_ATTRIBUTION"):
        load_settings()


def test_the_environment_comes_before_the_env_file(monkeypatch: pytest.MonkeyPatch) -> None:
    Path(".env").write_text(f"PORT=1\nHOST=file\nOWM_API_KEY={RAIN_KEY}\n")
    monkeypatch.setenv("PORT", "2")
    monkeypatch.setenv("OWM_API_KEY", KEY)
    settings = load_settings()
    assert (settings.port, settings.host, settings.key("openweathermap")) == (2, "file", KEY)


def test_an_argument_comes_before_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORT", "2")
    assert load_settings(port=3).port == 3
    with pytest.raises(ConfigurationError, match=r"^PORT=-3: must be a whole number from 0 to 65535$"):
        load_settings(port=-3)


@pytest.mark.parametrize("name", sorted(set(setting_names().values()) - {"METEOROGRAPH_API_TOKENS"}))
def test_empty_means_not_set(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, "")
    settings = load_settings()
    assert not settings.model_fields_set
    assert {field: _plain(getattr(settings, field)) for field in setting_names()} == DEFAULTS


@pytest.mark.parametrize("content", [b"PORT=\xff\xfe", b"\xff\xfeP\0O\0"])
def test_an_env_file_that_is_no_text(content: bytes) -> None:
    Path(".env").write_bytes(content)
    assert _refused() == ".env: not UTF-8 text; it must be a readable text file with lines NAME=value"


#: Secret settings that are no keys.
OTHER_SECRETS = {
    "DATABASE_URL": f"postgresql://u:{PASSWORD}@h/n",
    "METEOROGRAPH_ALERT_CHANNELS": "a=json://h/x",
    "METEOROGRAPH_WEBHOOKS": "a=https://h/x",
    "METEOROGRAPH_WEBHOOK_SECRETS": f"a=whsec_{WHSEC}",
    "METEOROGRAPH_PING_URL": "https://h/ping",
    "METEOROGRAPH_MQTT_URL": f"mqtt://u:{PASSWORD}@h",
}


@pytest.mark.parametrize("name", SECRETS)
@pytest.mark.parametrize("named_in", ["environment", ".env"])
def test_a_secret_from_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str, named_in: str) -> None:
    value = OTHER_SECRETS.get(name, KEY)
    (tmp_path / "secret").write_text(f"\ufeff {value}\r\n", encoding="utf-8")
    _set(monkeypatch, named_in, f"{name}_FILE", str(tmp_path / "secret"))
    settings = load_settings()
    field = next(field for field, known in setting_names().items() if known == name)
    plain = _plain(getattr(settings, field))
    assert plain == ([value] if name == "METEOROGRAPH_API_TOKENS" else {"a": value[2:]} if value.startswith("a=") else value)
    assert unknown_settings() == []


@pytest.mark.parametrize("name", SECRETS)
@pytest.mark.parametrize("named_in", ["environment", ".env"])
@pytest.mark.parametrize("set_in", ["environment", ".env"])
def test_a_secret_both_ways(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str, named_in: str, set_in: str) -> None:
    (tmp_path / "secret").write_text(KEY)
    _set(monkeypatch, named_in, f"{name}_FILE", str(tmp_path / "secret"))
    _set(monkeypatch, set_in, name, RAIN_KEY)
    assert _refused() == f"{name} and {name}_FILE are both set: keep one of them"


def _set(monkeypatch: pytest.MonkeyPatch, where: str, name: str, value: str) -> None:
    if where == "environment":
        monkeypatch.setenv(name, value)
    else:
        with Path(".env").open("a") as file:
            file.write(f"{name}={value}\n")


def test_the_file_that_the_environment_names_comes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("one").write_text(KEY)
    Path("other").write_text(RAIN_KEY)
    Path(".env").write_text("OWM_API_KEY_FILE=other\n")
    monkeypatch.setenv("OWM_API_KEY_FILE", "one")
    assert load_settings().key("openweathermap") == KEY


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "No such file or directory; it must name a readable text file"),
        (b"", "the file is empty; it must contain only the value"),
        (b" \n", "the file is empty; it must contain only the value"),
        (b"\xff\xfe\0k", "not UTF-8 text; it must name a readable text file"),
        (b"k\0e\0y\0", "the file contains more than one line of text; it must contain only the value"),
        (b"key\nother\n", "the file contains more than one line of text; it must contain only the value"),
    ],
)
@pytest.mark.parametrize("name", SECRETS)
def test_a_secret_file_that_will_not_do(monkeypatch: pytest.MonkeyPatch, name: str, content: bytes | None, said: str) -> None:
    if content is not None:
        Path("secret").write_bytes(content)
    monkeypatch.setenv(f"{name}_FILE", "secret")
    assert _refused() == f"{name}_FILE=secret: {said}"


def test_a_secret_file_that_cannot_be_read(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("folder").mkdir()
    monkeypatch.setenv("OWM_API_KEY_FILE", "folder")
    assert _refused() == "OWM_API_KEY_FILE=folder: Is a directory; it must name a readable text file"


@pytest.mark.parametrize(("name", "text", "shown", "allowed"), WRONG)
def test_a_wrong_value_is_one_line(monkeypatch: pytest.MonkeyPatch, name: str, text: str, shown: str, allowed: str) -> None:
    monkeypatch.setenv(name, text)
    assert _refused() == f"{name}={shown}: must be {allowed}"


#: Passwords that a URL must spell otherwise.
UNENCODED = [
    "tief@see#blau",
    "tief/see",
    "tief?see",
    "tief#see",
    "[tiefsee]",
    "tief see",
    "100%",
    "tief%zz",
    "@tiefsee",
    "tief@see/blau?x",
]


@pytest.mark.parametrize("scheme", ["postgresql", "postgres", "postgresql+psycopg"])
@pytest.mark.parametrize("password", UNENCODED)
def test_a_database_password_must_be_percent_encoded(monkeypatch: pytest.MonkeyPatch, scheme: str, password: str) -> None:
    monkeypatch.setenv("DATABASE_URL", f"{scheme}://store:{password}@db.example:5433/weather")
    message = _refused()
    assert message.startswith(
        f"DATABASE_URL={scheme}://store:[redacted]@db.example:5433/weather: must be a URL with a percent-encoded"
    )
    assert not [word for word in ("tief", "see", "blau", "100%") if word in message.partition(": must be")[0]]
    monkeypatch.setenv("DATABASE_URL", f"{scheme}://store:{quote(password, safe='')}@db.example:5433/weather")
    assert make_url(load_settings().database_url.get_secret_value()).password == password


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://u:a:b@h/n",
        "postgresql://u@h/n",
        "postgresql://h/n?password=geheimnis",
        "postgresql:///n?host=/run/postgresql",
        "sqlite:///folder@home/a%zz#b.db",
    ],
)
def test_a_database_url_without_reserved_characters_before_the_host(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("DATABASE_URL", url)
    assert load_settings().database_url.get_secret_value() == url
    assert redaction.redact("geheimnis") == (redaction.MARK if "geheimnis" in url else "geheimnis")


def test_of_a_wrong_secret_only_the_name_is_shown() -> None:
    with pytest.raises(ConfigurationError) as caught:
        load_settings(api_tokens={KEY: 1})
    assert str(caught.value).startswith("METEOROGRAPH_API_TOKENS: must be ")
    with pytest.raises(ConfigurationError) as caught:
        load_settings(owm_api_key=[KEY])
    assert str(caught.value).startswith("OWM_API_KEY: must be ")


@pytest.mark.parametrize("name", ["OWM_API_KEY", "WEATHERSTACK_API_KEY"])
def test_white_space_around_a_key_goes(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    provider = {"OWM_API_KEY": "openweathermap", "WEATHERSTACK_API_KEY": "weatherstack"}[name]
    monkeypatch.setenv(name, f" {KEY}\t\n")
    assert load_settings().key(provider) == KEY
    monkeypatch.setenv(name, " \t")
    assert load_settings().key(provider) is None


#: What stands before and behind a value that a tool or a text program has quoted.
QUOTES = ["''", '""', " \u2018\u2019", "\u201c\u201d", "\u201e\u201c ", "\u00ab\u00bb"]


@pytest.mark.parametrize("quotes", QUOTES)
@pytest.mark.parametrize("where", ["environment", "file"])
def test_quotes_around_a_value_are_removed(monkeypatch: pytest.MonkeyPatch, quotes: str, where: str) -> None:
    left, right = quotes[: len(quotes.rstrip()) - 1] or quotes[0], quotes.rstrip()[-1]
    if where == "file":
        Path("key").write_text(f"\ufeff{left}{KEY}{right}\r\n", encoding="utf-8")
        monkeypatch.setenv("OWM_API_KEY_FILE", f"{left}key{right}")
    else:
        monkeypatch.setenv("OWM_API_KEY", f"{left} {KEY}{right}\n")
        monkeypatch.setenv("METEOROGRAPH_INTERVAL", f"{left}15m{right}")
        monkeypatch.setenv("METEOROGRAPH_PROVIDERS", f"{left}metar{right}, {left}nws{right}")
        monkeypatch.setenv("METEOROGRAPH_API_TOKENS", f"{left}the-token-of-one,the-token-of-two{right}")
        monkeypatch.setenv("PORT", f"{left}{right}")
    settings = load_settings()
    assert settings.key("openweathermap") == KEY
    if where == "environment":
        assert (settings.interval, settings.providers, settings.port) == (timedelta(minutes=15), ["metar", "nws"], 8000)
        assert [token.get_secret_value() for token in settings.api_tokens] == ["the-token-of-one", "the-token-of-two"]


@pytest.mark.parametrize("text", [f"'{KEY}", f'{KEY}"', f"{KEY}\u201d", f"{KEY}\n{KEY}", f"{KEY}é", f"'{KEY}\""])
def test_a_key_with_a_quote_at_one_end_or_of_other_characters_is_refused(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("OWM_API_KEY", text)
    assert _refused() == "OWM_API_KEY: must be a key of printable ASCII characters, without a quote at one end"


def test_an_env_file_with_a_byte_order_mark() -> None:
    Path(".env").write_text(f"OWM_API_KEY='{KEY}'\r\nPORT=\"81\"\r\n", encoding="utf-8-sig")
    settings = load_settings()
    assert (settings.key("openweathermap"), settings.port) == (KEY, 81)


@pytest.mark.parametrize("text", ["", " ", ",", " , "])
def test_lists_may_be_empty_where_that_makes_sense(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("METEOROGRAPH_CORS_ORIGINS", text)
    assert load_settings().cors_origins == []
    monkeypatch.setenv("METEOROGRAPH_PRECIPITATION_PROVIDERS", text)
    assert load_settings().precipitation_providers == ([] if text else DEFAULTS["precipitation_providers"])


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("1s", 1), ("90S", 90), (" 10 m ", 600), ("10min", 600), ("1h", 3600), ("24h", 86400), ("1d", 86400)],
)
def test_durations(text: str, seconds: int) -> None:
    assert duration(text) == timedelta(seconds=seconds)
    assert load_settings(interval=text).interval == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["", "h", "1", "1.5h", "1h30m", "+1h", "1w", "1 h h", "\u0661h", "9999999999s"])
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(ValueError, match="a whole number and a unit, such as 30s, 10m, 1h or 1d"):
        duration(text)


def test_no_secret_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OWM_API_KEY", KEY)
    monkeypatch.setenv("WEATHERSTACK_API_KEY", RAIN_KEY)
    monkeypatch.setenv("METEOROGRAPH_API_TOKENS", "the-token-of-one,the-token-of-two")
    monkeypatch.setenv("DATABASE_URL", f"postgresql://u:{PASSWORD}@h/n")
    settings = load_settings()
    shown = f"{settings} {settings!r} {settings.model_dump()} {settings.model_dump_json()}"
    secrets = (KEY, RAIN_KEY, "the-token-of-one", "the-token-of-two", PASSWORD)
    assert [secret for secret in secrets if secret in shown] == []
    assert [secret for secret in secrets if secret in redaction.redact(" ".join(secrets))] == []


def test_a_password_is_hidden_however_the_address_writes_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://u:p%40ss%2fword@h/n")
    load_settings()
    assert redaction.redact("p@ss/word p%40ss%2fword p%40ss%2Fword p%40ss/word") == " ".join(4 * [redaction.MARK])


def test_settings_in_force(monkeypatch: pytest.MonkeyPatch) -> None:
    assert get_settings().port == 8000
    monkeypatch.setenv("PORT", "1")
    assert get_settings().port == 1
    pinned = load_settings(port=2)
    pin_settings(pinned)
    assert get_settings() is pinned
    pin_settings(None)
    assert get_settings().port == 1


def test_pinned_settings_are_known_to_the_logs() -> None:
    pin_settings(COMPLETE_SETTINGS.model_validate({"owm_api_key": KEY}))
    assert redaction.redact(KEY) == redaction.MARK


def test_settings_do_not_change() -> None:
    with pytest.raises(ValueError, match="frozen"):
        load_settings().port = 1


@pytest.mark.parametrize("name", ["DEFAULT_LATITUDE", "DEFAULT_LONGITUDE", "DEFAULT_LOCATION"])
def test_a_chosen_default_place(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(f"METEOROGRAPH_{name}", "1")
    assert load_settings().default_is_chosen


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("METEOROGRAPH_INTERVALL", ": did you mean METEOROGRAPH_INTERVAL?"),
        ("METEOROGRAPH_WEATHERSTACK_API_KEYS", ": did you mean WEATHERSTACK_API_KEY?"),
        ("METEOROGRAPH_XYZZY", ""),
    ],
)
@pytest.mark.parametrize("where", ["environment", ".env"])
def test_a_name_that_is_no_setting(monkeypatch: pytest.MonkeyPatch, name: str, said: str, where: str) -> None:
    _set(monkeypatch, where, name, KEY)
    load_settings()
    assert unknown_settings() == [f"{name} is not a setting and has no effect{said}"]


@pytest.mark.parametrize("name", ["METEOROGRAPH_RECORDED_DIR", "METEOROGRAPH_SERIES_DIR", "OTHER"])
def test_names_that_nobody_need_be_told_of(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, "x")
    assert unknown_settings() == []


@pytest.fixture
def _quiet_root(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    root = logging.getLogger()
    level, before, factory = root.level, list(root.handlers), logging.getLogRecordFactory()
    monkeypatch.setattr(logs, "_reported", set())
    yield
    for handler in [handler for handler in root.handlers if handler not in before]:
        root.removeHandler(handler)
    root.setLevel(level)
    logging.captureWarnings(False)
    logging.setLogRecordFactory(factory)


@pytest.mark.usefixtures("_quiet_root")
def test_an_unknown_name_is_told_once(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("METEOROGRAPH_INTERVALL", KEY)
    logs.setup_logging()
    logs.setup_logging()
    told = capsys.readouterr().err
    assert told.count("METEOROGRAPH_INTERVALL is not a setting and has no effect") == 1
    assert "warning" in told
    assert KEY not in told

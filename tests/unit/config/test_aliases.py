"""Settings under other names: without the prefix, and as scripts with APScheduler call them."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from meteorograph.config.loading import load_settings, setting_names, unknown_settings
from meteorograph.errors import ConfigurationError

#: The settings file of a Flask app with a job that ingests weather.
SCRIPT_FILE = """
OWM_API_KEY=0f1e2d3c4b5a69780f1e2d3c4b5a6978
WEATHERSTACK_API_KEY=fedcba9876543210fedcba9876543210
METEOSTAT_API_KEY=abcdef
DEFAULT_LATITUDE=59.91
DEFAULT_LONGITUDE=10.75
SCHEDULER_ENABLED=False
DATA_INGEST_INTERVAL_HOURS=3
SCHEDULER_TIMEZONE=Europe/Oslo
VALID_API_KEYS=first-token-of-many,second-token-of-many
LOG_LEVELS=DEBUG
POSTGRES_PASSWORD=secret
"""


def test_the_settings_file_of_a_script_is_understood() -> None:
    Path(".env").write_text(SCRIPT_FILE)
    settings = load_settings()
    assert (settings.default_latitude, settings.default_longitude) == (59.91, 10.75)
    assert settings.default_is_chosen
    assert not settings.scheduler_enabled
    assert settings.interval == timedelta(hours=3)
    assert [token.get_secret_value() for token in settings.api_tokens] == ["first-token-of-many", "second-token-of-many"]


def test_every_name_that_is_not_ours_has_one_line() -> None:
    Path(".env").write_text(SCRIPT_FILE)
    assert unknown_settings() == [
        "DEFAULT_LATITUDE is used as METEOROGRAPH_DEFAULT_LATITUDE: use that name instead",
        "DEFAULT_LONGITUDE is used as METEOROGRAPH_DEFAULT_LONGITUDE: use that name instead",
        "SCHEDULER_ENABLED is used as METEOROGRAPH_SCHEDULER_ENABLED: use that name instead",
        "DATA_INGEST_INTERVAL_HOURS is used as METEOROGRAPH_INTERVAL: use that name instead",
        "VALID_API_KEYS is used as METEOROGRAPH_API_TOKENS: use that name instead",
        "LOG_LEVELS is not a setting and has no effect: did you mean LOG_LEVEL?",
        "METEOSTAT_API_KEY is not a setting and has no effect: Meteostat is not a provider, but Open-Meteo has a history",
        "SCHEDULER_TIMEZONE is not a setting and has no effect",
    ]


@pytest.mark.parametrize(
    "name", sorted(name for name in setting_names().values() if name.startswith("METEOROGRAPH_") and name != "METEOROGRAPH_JOBS")
)
def test_every_setting_is_accepted_without_its_prefix(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    bare = name.removeprefix("METEOROGRAPH_")
    monkeypatch.setenv(bare, " ? ")
    message = ""
    try:
        load_settings()
    except ConfigurationError as error:
        message = str(error)
    assert not message or (message.startswith(name) and message.endswith(f"(it comes from {bare})"))
    assert unknown_settings() == [f"{bare} is used as {name}: use that name instead"]


def test_the_name_of_the_setting_has_precedence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INTERVAL", "5m")
    monkeypatch.setenv("DATA_INGEST_INTERVAL_HOURS", "2")
    assert load_settings().interval == timedelta(minutes=5)
    monkeypatch.setenv("METEOROGRAPH_INTERVAL", "10m")
    assert load_settings().interval == timedelta(minutes=10)
    assert unknown_settings() == [
        "INTERVAL is ignored, because METEOROGRAPH_INTERVAL is set",
        "DATA_INGEST_INTERVAL_HOURS is ignored, because METEOROGRAPH_INTERVAL is set",
    ]


@pytest.mark.parametrize(
    ("hours", "interval"), [("1", timedelta(hours=1)), ("0.5", timedelta(minutes=30)), ("24", timedelta(days=1))]
)
def test_an_interval_in_hours(monkeypatch: pytest.MonkeyPatch, hours: str, interval: timedelta) -> None:
    monkeypatch.setenv("DATA_INGEST_INTERVAL_HOURS", hours)
    assert load_settings().interval == interval


@pytest.mark.parametrize("hours", ["0", "-1", "nan", "inf", "1h", "1e9", "one"])
def test_an_interval_in_hours_that_is_none(monkeypatch: pytest.MonkeyPatch, hours: str) -> None:
    monkeypatch.setenv("DATA_INGEST_INTERVAL_HOURS", hours)
    with pytest.raises(
        ConfigurationError, match=rf"^METEOROGRAPH_INTERVAL=.*\(it comes from DATA_INGEST_INTERVAL_HOURS={hours}\)$"
    ):
        load_settings()


def test_tokens_of_another_name_beside_a_secret_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "tokens").write_text("from-the-file-0123")
    monkeypatch.setenv("VALID_API_KEYS", "from-the-variable-0123")
    monkeypatch.setenv("METEOROGRAPH_API_TOKENS_FILE", str(tmp_path / "tokens"))
    with pytest.raises(ConfigurationError, match="are both set"):
        load_settings()


def test_a_secret_file_without_the_prefix(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "tokens").write_text("from-the-file-0123")
    monkeypatch.setenv("API_TOKENS_FILE", str(tmp_path / "tokens"))
    assert [token.get_secret_value() for token in load_settings().api_tokens] == ["from-the-file-0123"]
    (tmp_path / "tokens").write_text("from-the-file-4567")
    assert [token.get_secret_value() for token in load_settings().api_tokens] == ["from-the-file-4567"]

"""The settings in force as text: where each comes from, and nothing secret."""

from __future__ import annotations

from pathlib import Path

import pytest

from meteorograph.config.effective import EffectiveSetting, effective_settings
from meteorograph.config.loading import load_settings


@pytest.fixture
def found(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> dict[str, EffectiveSetting]:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "secret").write_text("0f1e2d3c4b5a69788796")
    (tmp_path / ".env").write_text("METEOROGRAPH_CONCURRENCY=128\nMETEOROGRAPH_INTERVAL=15m\n")
    (tmp_path / ".env").chmod(0o600)
    for name, value in {
        "METEOROGRAPH_INTERVAL": "2h",
        "DATABASE_URL": "postgresql://owner:swordfish@127.0.0.1/weather",
        "METEOROGRAPH_ALERT_CHANNELS": "phone=json://user:swordfish@127.0.0.1:9/x",
        "METEOROGRAPH_JOURNAL_STORE": "s3://key:swordfish@bucket/x",
        "OWM_API_KEY_FILE": str(tmp_path / "secret"),
        "SPREAD_SECONDS": "60",
        "METEOROGRAPH_QUANTITY_PROVIDERS": "pressure=weatherstack,openweathermap",
        "METEOROGRAPH_OWM_BASE_URL": "http://127.0.0.1:1",
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("OWM_API_KEY", raising=False)
    return {one.name: one for one in effective_settings(load_settings(port=8123))}


@pytest.mark.parametrize(
    ("name", "value", "source"),
    [
        ("METEOROGRAPH_CONCURRENCY", "128", ".env"),
        ("METEOROGRAPH_INTERVAL", "2 h", "environment"),
        ("METEOROGRAPH_SPREAD_SECONDS", "60", "SPREAD_SECONDS"),
        ("METEOROGRAPH_JOURNAL_STORE", "s3://key:[redacted]@bucket/x", "environment"),
        ("METEOROGRAPH_ALERT_CHANNELS", "phone", "environment"),
        ("METEOROGRAPH_QUANTITY_PROVIDERS", "pressure: weatherstack, openweathermap", "environment"),
        ("OWM_API_KEY", "set (hidden)", "OWM_API_KEY_FILE"),
        ("DATABASE_URL", "set (hidden)", "environment"),
        ("PORT", "8123", "command line"),
        ("METEOROGRAPH_BACKUP_DIR", "not set", "default"),
        ("METEOROGRAPH_LOG_FILE_BYTES", "10,000,000", "default"),
        ("METEOROGRAPH_HEALING", "true", "default"),
    ],
)
def test_a_setting_says_its_value_and_its_source(found: dict[str, EffectiveSetting], name: str, value: str, source: str) -> None:
    assert found[name] == (name, value, source)


def test_no_secret_is_shown(found: dict[str, EffectiveSetting]) -> None:
    shown = " ".join(one.value for one in found.values())
    assert "swordfish" not in shown
    assert "0f1e2d" not in shown

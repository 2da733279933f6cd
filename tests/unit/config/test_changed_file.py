"""A settings file that is changed, damaged or gone while the process works."""

from __future__ import annotations

import logging
import os
from pathlib import Path

import pytest

from meteorograph.config.loading import get_settings, load_settings, unknown_settings
from meteorograph.errors import ConfigurationError

TOKEN = "a-token-of-the-file"
FILE = Path(".env")


def _read_file() -> None:
    """Write the file and read it; in the test itself, since pytest changes the environment between a fixture and the test."""
    FILE.write_text(f"METEOROGRAPH_API_TOKENS={TOKEN}\nMETEOROGRAPH_CONCURRENCY=3\n")
    assert _tokens() == [TOKEN]


def _tokens() -> list[str]:
    return [token.get_secret_value() for token in get_settings().api_tokens]


def test_a_valid_change_is_used_at_once() -> None:
    _read_file()
    FILE.write_text("METEOROGRAPH_API_TOKENS=another-token-of-it\n")
    assert _tokens() == ["another-token-of-it"]


def test_a_file_that_is_gone_opens_nothing(caplog: pytest.LogCaptureFixture) -> None:
    _read_file()
    text = FILE.read_text()
    FILE.unlink()
    with caplog.at_level(logging.ERROR):
        assert _tokens() == [TOKEN]
    assert "is gone" in caplog.text
    with pytest.raises(ConfigurationError, match=r"was read before and is gone; restart to go on without it$"):
        load_settings()
    FILE.write_text(text.replace("=3", "=4"))
    assert get_settings().concurrency == 4


@pytest.mark.parametrize("content", [b"METEOROGRAPH_CONCURRENCY=many\n", b"\xff\xfe", b"METEOROGRAPH_API_TOKENS=,\n"])
def test_an_invalid_file_changes_nothing(content: bytes, caplog: pytest.LogCaptureFixture) -> None:
    _read_file()
    FILE.write_bytes(content)
    with caplog.at_level(logging.ERROR):
        assert _tokens() == [TOKEN]
        assert get_settings().concurrency == 3
    assert caplog.text.count("the settings are not reloaded") == 1


def test_an_invalid_environment_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    _read_file()
    monkeypatch.setenv("METEOROGRAPH_CONCURRENCY", "many")
    with pytest.raises(ConfigurationError, match="METEOROGRAPH_CONCURRENCY=many"):
        get_settings()


def test_a_secret_file_that_is_gone_changes_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    _read_file()
    FILE.write_text("METEOROGRAPH_CONCURRENCY=3\n")
    secret = tmp_path / "tokens"
    secret.write_text(TOKEN)
    monkeypatch.setenv("METEOROGRAPH_API_TOKENS_FILE", str(secret))
    assert _tokens() == [TOKEN]
    secret.unlink()
    assert _tokens() == [TOKEN]


def test_a_folder_without_a_file_has_its_own_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    _read_file()
    (tmp_path / "other").mkdir()
    monkeypatch.chdir(tmp_path / "other")
    assert _tokens() == []


def test_a_line_that_is_none_is_named_once(caplog: pytest.LogCaptureFixture) -> None:
    _read_file()
    FILE.write_text("PORT=1\nthis is not one\n")
    assert get_settings().port == 1
    assert unknown_settings() == [".env: line 2 is not NAME=value and has no effect"]
    assert caplog.text == ""


def test_what_is_no_file_or_has_no_end_is_refused() -> None:
    FILE.mkdir()
    with pytest.raises(ConfigurationError, match=r"^\.env: must be a regular file"):
        load_settings()
    FILE.rmdir()
    os.mkfifo(FILE)
    with pytest.raises(ConfigurationError, match=r"^\.env: must be a regular file"):
        load_settings()
    FILE.unlink()
    FILE.write_text("#" * 1024 * 1024)
    load_settings()
    FILE.write_text("#" * (1024 * 1024 + 1))
    with pytest.raises(ConfigurationError, match=r"^\.env: may have 1,048,576 bytes at most"):
        load_settings()


def test_a_secret_from_a_device_without_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OWM_API_KEY_FILE", "/dev/zero")
    with pytest.raises(ConfigurationError, match=r"^/dev/zero: may have 65,536 bytes at most"):
        load_settings()

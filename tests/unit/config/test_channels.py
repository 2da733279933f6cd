"""The addresses of alerts: what is refused when they are read, and what of them no log shows."""

from __future__ import annotations

import pytest

from meteorograph import redaction
from meteorograph.config.channels import secret_parts
from meteorograph.config.loading import load_settings
from meteorograph.errors import ConfigurationError


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("ALERT_CHANNELS", "ntfys://host/topic", "entries NAME=ADDRESS, separated by spaces"),
        ("ALERT_CHANNELS", "a=json://h a=json://i", "each NAME once"),
        ("ALERT_CHANNELS", "phone=topic-hush-hush", "the address of phone is none"),
        ("ALERT_CHANNELS", "mail=mailto://me:hush@hush@host.org", "the password must be written as %40, %2F or %3F"),
        ("ALERT_CHANNELS", "mail=mailto://me:hush/hush@host.org", "the password must be written as %40, %2F or %3F"),
        ("ALERT_CHANNELS", "mail=mailto://me:hush#hush@host.org", "a # must be written as %23"),
        ("ALERT_CHANNELS", "mail=mailto://me:hush%hush@host.org", "a % must be written as %25"),
        ("WEBHOOKS", "log=ftp://hush.org/x", "such as log=https://example.org/hook"),
        ("WEBHOOKS", "log=http:///hush", "the address of log is none"),
        ("WEBHOOK_SECRETS", "log=whsec_hush", "24 to 64 random bytes in Base64"),
        ("PING_URL", "hush.org", "begins with http:// or https://"),
    ],
)
def test_a_wrong_address_is_refused_with_what_to_change(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, words: str
) -> None:
    monkeypatch.setenv(f"METEOROGRAPH_{name}", value)
    with pytest.raises(ConfigurationError) as caught:
        load_settings()
    text = str(caught.value)
    assert text.startswith(f"METEOROGRAPH_{name}: must be ")
    assert words in text
    assert "hush" not in text, "a secret is in the message"


def test_what_may_be_a_token_is_redacted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redaction, "_SECRETS", redaction.SecretRegistry())
    address = "tgram://123456789:AAF-tokentokentoken/-100?format=text&key=abcdefgh"
    redaction.hide(*secret_parts(address))
    for text in (address, "POST /bot123456789:AAF-tokentokentoken/sendMessage", "?key=abcdefgh", "slack AAF-tokentokentoken"):
        assert not [part for part in ("tokentoken", "abcdefgh") if part in redaction.redact(text)], text
    assert redaction.redact("https://api.telegram.org refused the text") == "https://api.telegram.org refused the text"

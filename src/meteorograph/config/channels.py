"""The settings of alerts: names and addresses of channels, webhooks and their secrets. Each address may hold a secret."""

from __future__ import annotations

import base64
import binascii
import re
from typing import Final
from urllib.parse import parse_qsl, urlsplit

from pydantic import SecretStr

_is_name: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}").fullmatch
_is_address: Final = re.compile(r"[a-z][a-z0-9+.-]*://[\x21-\x7e]+").fullmatch

#: Parts of an address that are shorter are no tokens: hiding them would hide ordinary words.
_MIN_TOKEN: Final = 12
_MIN_QUERY_TOKEN: Final = 8

_ENTRIES: Final = "entries NAME={what}, separated by spaces; NAME has up to 64 letters, digits and . _ -"
_ADDRESSES: Final = _ENTRIES.format(what="ADDRESS")
_MIN_SECRET_BYTES: Final = 24
_MAX_SECRET_BYTES: Final = 64


def parse_entries(value: object) -> object:
    """Parse ``NAME=TEXT`` entries, which white space separates; a value of another type is not changed."""
    if not isinstance(value, str):
        return value
    entries: dict[str, SecretStr] = {}
    for part in value.split():
        name, separator, text = part.partition("=")
        if not separator or not _is_name(name) or name in entries:
            raise ValueError(f"{_ADDRESSES}, each NAME once")
        entries[name] = SecretStr(text)
    return entries


def check_channels(channels: dict[str, SecretStr]) -> dict[str, SecretStr]:
    """Addresses as Apprise knows them."""
    for name, secret in channels.items():
        text = secret.get_secret_value()
        if not _is_address(text):
            raise ValueError(f"{_ADDRESSES}, such as phone=ntfys://ntfy.sh/TOPIC; the address of {name} is none")
        if fault := _unencoded(text):
            raise ValueError(f"{_ADDRESSES}; in the address of {name}, {fault}")
    return channels


def _unencoded(text: str) -> str | None:
    """Which character of the user name or the password must be percent-encoded: behind it, a part is read as the host."""
    rest = text.partition("://")[2].partition("?")[0]
    authority = rest.partition("/")[0]
    if "#" in rest:
        return "a # must be written as %23"
    if authority.count("@") > 1 or ("@" not in authority and "@" in rest and ":" in authority):
        return "a character @, / or ? of the user name or the password must be written as %40, %2F or %3F"
    if re.search(r"%(?![0-9A-Fa-f]{2})", text):
        return "a % must be written as %25"
    return None


def check_webhooks(webhooks: dict[str, SecretStr]) -> dict[str, SecretStr]:
    """Addresses that take an HTTP POST."""
    for name, secret in webhooks.items():
        if not _is_http(secret.get_secret_value()):
            raise ValueError(f"{_ADDRESSES}, such as log=https://example.org/hook; the address of {name} is none")
    return webhooks


def check_ping_url(value: SecretStr | None) -> SecretStr | None:
    """An address that takes an HTTP GET."""
    if value is not None and not _is_http(value.get_secret_value()):
        raise ValueError("an address that begins with http:// or https://")
    return value


def _is_http(text: str) -> bool:
    if not _is_address(text) or not text.startswith(("http://", "https://")):
        return False
    try:
        parts = urlsplit(text)
        return bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def check_webhook_secrets(secrets: dict[str, SecretStr]) -> dict[str, SecretStr]:
    """Secrets of Standard Webhooks: ``whsec_`` and 24 to 64 bytes in Base64."""
    for name, secret in secrets.items():
        text = secret.get_secret_value()
        try:
            size = len(base64.b64decode(text.removeprefix("whsec_"), validate=True))
        except (binascii.Error, ValueError):
            size = 0
        if not text.startswith("whsec_") or not _MIN_SECRET_BYTES <= size <= _MAX_SECRET_BYTES:
            kind = _ENTRIES.format(what="SECRET")
            raise ValueError(f"{kind}; the secret of {name} must be whsec_ and 24 to 64 random bytes in Base64")
    return secrets


def secret_parts(address: str) -> list[str]:
    """What no log may have of an address: itself, its password, and its long parts, which may be tokens."""
    try:
        parts = urlsplit(address)
        password = parts.password or ""
    except ValueError:
        return [address]
    pieces = (piece for piece in re.split(r"[/:@]", f"{parts.netloc}/{parts.path}") if "." not in piece)
    tokens = [piece for piece in pieces if len(piece) >= _MIN_TOKEN]
    tokens += [value for _, value in parse_qsl(parts.query) if len(value) >= _MIN_QUERY_TOKEN]
    return [address, address.partition("://")[2], *([password] if password else []), *tokens]

"""Checks of single settings. Each gives the value, or raises a ``ValueError`` that says what is allowed."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path
from typing import Final

from pydantic import SecretStr
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from ..model.names import is_plain, normalise_name
from ..model.schedule import LONGEST_GRACE
from ..providers.registry import PROVIDERS
from .database_options import PREPARE_PARAMETER, parse_prepare_threshold
from .provider_settings import require_known

#: What must not be in the user name and the password of a URL (RFC 3986): behind an unencoded @, a part of the password is read
#: as the host.
_RESERVED: Final = re.compile(r"[@/?#\[\]\s]|%(?![0-9A-Fa-f]{2})")

#: The first parts of database URLs. Another driver than these would be replaced by one of them.
_DRIVERS: Final = ("sqlite", "sqlite+pysqlite", "postgresql", "postgres", "postgresql+psycopg")

_is_token: Final = re.compile(r"(?=.{16})[A-Za-z0-9._~+/-]+=*").fullmatch
_is_host: Final = re.compile(r"[a-z0-9_-]+(\.[a-z0-9_-]+)*|[0-9a-f:.]+").fullmatch
_is_origin: Final = re.compile(r"https?://([a-z0-9.-]+|\[[0-9a-f:.]+\])(:[0-9]{1,5})?").fullmatch
_is_schema: Final = re.compile(r"(?!pg_)[a-z_][a-z0-9_]{0,62}").fullmatch
_is_topic: Final = re.compile(r"[^\x00-\x20+#/]+(/[^\x00-\x20+#/]+)*").fullmatch
_is_mqtt_url: Final = re.compile(r"mqtts?://([^\s:@/?#]+(:[^\s@/?#]*)?@)?([\w.-]+|\[[0-9a-fA-F:.]+\])(:[0-9]{1,5})?/?").fullmatch
_is_http_url: Final = re.compile(r"https?://([\w.-]+|\[[0-9a-fA-F:.]+\])(:[0-9]{1,5})?(/[^\s?#@]*)?").fullmatch
_is_store_url: Final = re.compile(r"file:///[^\s?#]+|(?!file:)[a-z][a-z0-9+-]*://(?!/)[^\s?#]+").fullmatch
_is_tiles: Final = re.compile(r"https?://([a-z0-9.-]+|\[[0-9a-f:.]+\])(:[0-9]{1,5})?/[^\s\"'<>;,#\\]*").fullmatch
_TILE_PARTS: Final = ("{z}", "{x}", "{y}")
_is_user_agent: Final = re.compile(r"[ -~]{1,200}").fullmatch


def check_providers(names: list[str]) -> list[str]:
    """One or more known providers."""
    if not names:
        raise ValueError(f"one or more of {', '.join(PROVIDERS)}, separated by commas")
    return require_known(names)


def check_user_agent(value: str) -> str:
    """A text that fits into a header."""
    if not _is_user_agent(value):
        raise ValueError("1 to 200 ASCII characters on one line")
    return value


def check_interval(value: timedelta) -> timedelta:
    """A second to a day."""
    if not timedelta(seconds=1) <= value <= timedelta(days=1):
        raise ValueError("from 1s to 24h")
    return value


def check_grace(value: timedelta | None) -> timedelta | None:
    """A minute to twelve hours."""
    if value is not None and not timedelta(minutes=1) <= value <= LONGEST_GRACE:
        raise ValueError("from 1m to 12h")
    return value


def check_location_name(value: str) -> str:
    """A name of a location, in the form in which names are compared."""
    name = normalise_name(value).strip()
    if not name or not is_plain(name):
        raise ValueError("a text of 1 to 200 characters, none of them a control character")
    return name


def check_path(value: Path | None) -> Path | None:
    """A path that the file system can have."""
    if value is not None and "\0" in str(value):
        raise ValueError("a path")
    return value


_DAYS_BY_TAG: Final = "TAG=DAYS entries, separated by semicolons, each TAG once; DAYS from 0, which is for ever, to 36500"


def parse_days_by_tag(value: object) -> object:
    """Parse ``airport=3650; test=90`` into tag → days; a value of another type is not changed."""
    if not isinstance(value, str):
        return value
    days: dict[str, int] = {}
    for part in filter(None, (part.strip() for part in value.split(";"))):
        tag, _, number = (word.strip() for word in part.rpartition("="))
        if not tag or tag in days or not (number.isascii() and number.isdecimal()):
            raise ValueError(_DAYS_BY_TAG)
        days[tag] = int(number)
    return days


def check_days_by_tag(days: dict[str, int]) -> dict[str, int]:
    """Up to a century for each tag."""
    if any(not 0 <= number <= 36500 for number in days.values()):
        raise ValueError(_DAYS_BY_TAG)
    return days


def check_schema(value: str | None) -> str | None:
    """A name that needs no quoting in SQL."""
    if value is not None and not _is_schema(value):
        raise ValueError("1 to 63 lower-case letters, digits and underscores, not beginning with a digit or pg_")
    return value


def check_tokens(tokens: list[SecretStr]) -> list[SecretStr]:
    """Tokens that cannot be guessed and fit into a header (``token68`` of RFC 9110)."""
    if not all(_is_token(token.get_secret_value()) for token in tokens):
        raise ValueError("one or more tokens of at least 16 letters, digits and . _ ~ + / -, separated by commas")
    return tokens


def check_hosts(names: list[str]) -> list[str]:
    """Host names or addresses, in lower case without a final dot."""
    names = [name.lower().removesuffix(".") for name in names]
    if not all(map(_is_host, names)):
        raise ValueError("names or addresses without a port, such as weather.example.org, separated by commas")
    return names


def check_origins(origins: list[str]) -> list[str]:
    """Origins as browsers send them."""
    if not all(map(_is_origin, origins)):
        raise ValueError("origins such as https://weather.example.org, in lower case and without a path, separated by commas")
    return origins


def check_database_url(value: SecretStr) -> SecretStr:
    """A URL of SQLite or PostgreSQL."""
    allowed = "sqlite:///path/to/file.db or postgresql://user:password@host/name"
    text = value.get_secret_value()
    try:
        url = make_url(text)
        backend = url.get_backend_name()
    except (ArgumentError, ValueError):
        raise ValueError(allowed) from None
    if url.drivername not in _DRIVERS:
        raise ValueError(allowed)
    if backend != "sqlite" and _RESERVED.search(text.partition("://")[2].rpartition("@")[0]):
        raise ValueError(
            "a URL with a percent-encoded user name and password "
            "(@ as %40, / as %2F, ? as %3F, # as %23, [ as %5B, ] as %5D, % as %25, a space as %20)"
        )
    if PREPARE_PARAMETER in url.query and backend != "sqlite":
        parse_prepare_threshold(str(url.query[PREPARE_PARAMETER]))
    return value


def check_mqtt_url(value: SecretStr | None) -> SecretStr | None:
    """A URL of an MQTT broker."""
    if value is not None and not _is_mqtt_url(value.get_secret_value()):
        raise ValueError("mqtt://user:password@host:1883, or mqtts:// for TLS, with a percent-encoded user name and password")
    return value


def check_store_url(value: str | None) -> str | None:
    """A URL of fsspec with an absolute path."""
    if value is not None and not _is_store_url(value):
        raise ValueError("a URL such as s3://bucket/prefix or file:///mnt/share/journal")
    return value


def check_topic(value: str) -> str:
    """The first levels of an MQTT topic."""
    if not _is_topic(value) or len(value) > 200:
        raise ValueError("a topic of 1 to 200 characters without white space, +, # and empty levels")
    return value


def check_http_url(value: str | None) -> str | None:
    """A URL without user, query and fragment."""
    if value is not None and not _is_http_url(value):
        raise ValueError("a URL such as http://localhost:8086, without a user, a query and a fragment")
    return value


def check_tiles(value: str | None) -> str | None:
    """The address of map tiles, with one host, and the parts that a browser replaces."""
    if value is None:
        return None
    rest = value
    for part in _TILE_PARTS:
        rest = rest.replace(part, "", 1)
    if not _is_tiles(value) or any(value.count(part) != 1 for part in _TILE_PARTS) or "{" in rest or "}" in rest:
        raise ValueError(
            "a URL such as https://tiles.example.org/{z}/{x}/{y}.png, with one host in lower case and {z}, {x} and {y}"
        )
    return value

"""The sources of settings: the environment, ``.env``, and secret files (``NAME_FILE``); and unknown names in them."""

from __future__ import annotations

import io
import logging
import os
import stat
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Final

from dotenv import dotenv_values
from dotenv.parser import parse_stream
from pydantic.fields import FieldInfo

from ..errors import ConfigurationError
from ..providers.registry import PROVIDERS
from .aliases import PREFIX, Alias, alias_lines, find_aliases, other_names, unknown_lines

#: The file with settings, in the folder in which the process starts.
ENV_FILE: Final = Path(".env")

#: Longest file with settings, and longest file with a secret [bytes].
_MAX_FILE_BYTES: Final = 1024 * 1024
_MAX_SECRET_BYTES: Final = 64 * 1024

#: Secret settings: never shown, and readable from a file.
SECRETS: Final = (
    *(provider.key_setting for provider in PROVIDERS.values() if provider.key_setting),
    "DATABASE_URL",
    "METEOROGRAPH_API_TOKENS",
    "METEOROGRAPH_ALERT_CHANNELS",
    "METEOROGRAPH_WEBHOOKS",
    "METEOROGRAPH_WEBHOOK_SECRETS",
    "METEOROGRAPH_PING_URL",
    "METEOROGRAPH_MQTT_URL",
    "METEOROGRAPH_INFLUXDB_TOKEN",
)

_SECRET_FILES: Final = tuple(f"{name}_FILE" for name in SECRETS)

#: Variables of the tests, for their recorded data. They are no settings, but cause no warning.
_TEST_VARIABLES: Final = frozenset({"METEOROGRAPH_RECORDED_DIR", "METEOROGRAPH_SERIES_DIR"})


#: Pairs of quotes around a value: ``docker run --env-file`` and lists of Compose leave straight quotes in the value, and word
#: processors replace straight quotes by curly ones.
_QUOTES: Final = (
    "''",
    '""',
    "``",
    "\u201c\u201d",
    "\u2018\u2019",
    "\u201e\u201c",
    "\u201a\u2018",
    "\u201d\u201d",
    "\u2019\u2019",
    "\u00ab\u00bb",
)

#: Characters without a width with which a copied text may begin or end: byte order mark, zero-width space and joiners.
_INVISIBLE: Final = "\ufeff\u200b\u200c\u200d\u2060"


def strip_quotes(value: str) -> str:
    """The text within one pair of quotes around the whole value; a value without such a pair is not changed."""
    text = strip_invisible(value)
    for opening, closing in _QUOTES:
        inner = text[1:-1]
        if len(text) > 1 and text[0] == opening and text[-1] == closing and opening not in inner and closing not in inner:
            return strip_invisible(inner)
    return value


def strip_invisible(text: str) -> str:
    """The text without white space and invisible characters at its ends."""
    return text.strip().strip(_INVISIBLE).strip()


def read_values() -> dict[str, str]:
    """The variables of the environment and ``.env``, by upper-case name, without quotes around values and without empty values.

    The environment has precedence.

    Raises:
        ConfigurationError: ``.env`` cannot be read.
    """
    return {
        name.upper(): text
        for values in (_read_file(), os.environ)
        for name, value in values.items()
        if value and (text := strip_quotes(value))
    }


logging.getLogger("dotenv.main").setLevel(logging.ERROR)  # ``_invalid_lines`` names what it cannot read

#: Absolute paths of the settings files that this process has read.
_FILES_READ: Final[set[Path]] = set()


def _read_file() -> dict[str, str | None]:
    path = ENV_FILE.absolute()
    try:
        if path in _FILES_READ and not path.exists():
            raise ConfigurationError(f".env: the file {path} was read before and is gone; restart to go on without it")
        if not path.exists():
            return {}
        _refuse_foreign_file(ENV_FILE)
        values = dotenv_values(stream=io.StringIO(_read_text(ENV_FILE, _MAX_FILE_BYTES)))
        _FILES_READ.add(path)
        return values
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f".env: {_reason(error)}; it must be a readable text file with lines NAME=value") from None


def _refuse_foreign_file(path: Path) -> None:
    """Check that nobody else can change the settings.

    Raises:
        ConfigurationError: Another user owns the file, or may write it. The group of its owner's own name may. Or it is no file:
            a pipe, a device and a folder cannot be read again.
    """
    if not path.is_file():
        raise ConfigurationError(f"{path}: must be a regular file, or not be there")
    if os.name != "posix":
        return
    found = path.stat()
    if found.st_uid not in (0, os.geteuid()):
        raise ConfigurationError(f"{path}: belongs to another user (uid {found.st_uid}); it must be your own")
    if found.st_mode & stat.S_IWOTH or (found.st_mode & stat.S_IWGRP and found.st_gid not in (0, found.st_uid)):
        raise ConfigurationError(f"{path}: other users may write it; run chmod go-w {path}")


def _read_text(path: Path, max_bytes: int) -> str:
    """The text of a file.

    Raises:
        ConfigurationError: It is too long.
    """
    with path.open("rb") as file:
        data = file.read(max_bytes + 1)
    if len(data) > max_bytes:
        raise ConfigurationError(f"{path}: may have {max_bytes:,} bytes at most")
    return data.decode("utf-8-sig")


def is_set(setting: str) -> bool:
    """Whether a setting is set under any of its names, or by a file; also to an empty value."""
    names = {f"{name}{suffix}" for name in (setting, *other_names(setting)) for suffix in ("", "_FILE")}
    return any(name.upper() in names for values in (_read_file(), os.environ) for name in values)


def environment_name(field: str, info: FieldInfo) -> str:
    """Name of the environment variable of a field of the settings."""
    return str(info.validation_alias or PREFIX + field.upper())


def values_of_fields(fields: Mapping[str, FieldInfo]) -> dict[str, str]:
    """The values of the environment and ``.env`` for these fields of the settings, by alias or name of the field.

    Raises:
        ConfigurationError: ``.env`` cannot be read.
    """
    names = {str(info.validation_alias or field): environment_name(field, info) for field, info in fields.items()}
    values = read_values()
    values |= {alias.setting: alias.value for alias in find_aliases(values, names.values()).values()}
    return {key: values[name] for key, name in names.items() if name in values}


def aliases_in_use(setting_names: Iterable[str]) -> dict[str, Alias]:
    """Setting → the variable with another name that gives its value."""
    return find_aliases(read_values(), setting_names)


def fingerprint_of_sources() -> object:
    """A value that changes when the settings may have changed; None if they must be read anyway, because of a secret file."""
    environment = dict(os.environ)
    files = [file.removeprefix(PREFIX) for file in _SECRET_FILES]
    if any(name.upper().removeprefix(PREFIX) in files for name in environment):
        return None
    try:
        found = ENV_FILE.stat()
        text = ENV_FILE.read_bytes().upper() if found.st_size <= _MAX_FILE_BYTES and ENV_FILE.is_file() else b""
    except OSError:
        return environment, None
    if any(name.encode() in text for name in files):
        return None
    return environment, found.st_mtime_ns, found.st_mode, text


def secrets_from_files() -> dict[str, str]:
    """The contents of the files that ``NAME_FILE`` names, by field of the settings.

    Raises:
        ConfigurationError: A setting has both a value and a file, or the file is no readable text of one line.
    """
    values = read_values()
    values |= {alias.setting: alias.value for alias in find_aliases(values, (*SECRETS, *_SECRET_FILES)).values()}
    return {name.removeprefix(PREFIX).lower(): _secret(name, values) for name in SECRETS if f"{name}_FILE" in values}


def _secret(name: str, values: dict[str, str]) -> str:
    if name in values:
        raise ConfigurationError(f"{name} and {name}_FILE are both set: keep one of them")
    path = values[f"{name}_FILE"]
    try:
        text = strip_quotes(strip_invisible(_read_text(Path(path), _MAX_SECRET_BYTES)))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{name}_FILE={path}: {_reason(error)}; it must name a readable text file") from None
    if not text or not text.isprintable():
        fault = "contains more than one line of text" if text else "is empty"
        raise ConfigurationError(f"{name}_FILE={path}: the file {fault}; it must contain only the value")
    return text


def _reason(error: OSError | UnicodeDecodeError) -> str:
    return str(error.strerror) if isinstance(error, OSError) else "not UTF-8 text"


def _invalid_lines() -> Iterator[str]:
    """A line for every line of ``.env`` that is none of ``NAME=value``; the library would warn at each reading."""
    if not ENV_FILE.is_file():
        return
    with ENV_FILE.open(encoding="utf-8-sig") as file:
        for found in parse_stream(file):
            if found.error:
                yield f".env: line {found.original.line} is not NAME=value and has no effect"


def unknown_names(setting_names: Iterable[str]) -> Iterator[str]:
    """A line for every invalid line of ``.env``, and every variable that has another name of a setting or only looks like one."""
    values = {name: value for name, value in read_values().items() if name not in _TEST_VARIABLES}
    known = (*setting_names, *_SECRET_FILES)
    yield from _invalid_lines()
    yield from alias_lines(values, known)
    yield from unknown_lines(values, (name.upper() for name in _read_file()), known)

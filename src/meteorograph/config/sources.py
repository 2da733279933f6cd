"""Where settings come from beside the environment: ``.env``, the files that ``NAME_FILE`` names, and names that are none."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from difflib import get_close_matches
from pathlib import Path
from typing import Final

from dotenv import dotenv_values

from ..errors import ConfigurationError
from ..providers.registry import PROVIDERS

PREFIX: Final = "METEOROGRAPH_"

#: Settings that are secret: never shown, and readable from a file.
SECRETS: Final = (
    *(provider.key_setting for provider in PROVIDERS.values() if provider.key_setting),
    "DATABASE_URL",
    "METEOROGRAPH_API_TOKENS",
)

#: Where the tests find recorded material; no settings, but no slips of the pen either.
_OF_THE_TESTS: Final = frozenset({"METEOROGRAPH_RECORDED_DIR", "METEOROGRAPH_SERIES_DIR"})


def read_values() -> dict[str, str]:
    """What the environment and ``.env`` set, by name in capitals; empty means not set, the environment comes first.

    Raises:
        ConfigurationError: ``.env`` cannot be read.
    """
    try:
        of_file = dotenv_values(".env", encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f".env: {_reason(error)}; it must be a readable text file with lines NAME=value") from None
    return {name.upper(): value for values in (of_file, os.environ) for name, value in values.items() if value}


def fingerprint_of_sources() -> object:
    """Differs when what ``given`` gives may; None where only reading can tell, since a file holds a secret."""
    environment = dict(os.environ)
    files = [f"{name}_FILE" for name in SECRETS]
    if any(name.upper() in files for name in environment):
        return None
    try:
        of_file = Path(".env").stat()
        text = Path(".env").read_bytes().upper()
    except OSError:
        return environment, None
    if any(name.encode() in text for name in files):
        return None
    return environment, of_file.st_mtime_ns, text


def secrets_from_files() -> dict[str, str]:
    """What the files hold that ``NAME_FILE`` names, by field of the settings.

    Raises:
        ConfigurationError: A setting has both a value and a file, or the file does not hold a text.
    """
    values = read_values()
    return {name.removeprefix(PREFIX).lower(): _secret(name, values) for name in SECRETS if f"{name}_FILE" in values}


def _secret(name: str, values: dict[str, str]) -> str:
    if name in values:
        raise ConfigurationError(f"{name} and {name}_FILE are both set: keep one of them")
    path = values[f"{name}_FILE"]
    try:
        text = Path(path).read_text(encoding="utf-8-sig").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{name}_FILE={path}: {_reason(error)}; it must name a readable text file") from None
    if not text or not text.isprintable():
        fault = "more than one line of text" if text else "empty"
        raise ConfigurationError(f"{name}_FILE={path}: the file holds {fault}; it must hold the value alone")
    return text


def _reason(error: OSError | UnicodeDecodeError) -> str:
    return str(error.strerror) if isinstance(error, OSError) else "not UTF-8 text"


def unknown_names(known: Iterable[str]) -> Iterator[str]:
    """A line for every name that is set, has our prefix and is no setting, not even with the prefix too many."""
    plain = {name.removeprefix(PREFIX): name for name in (*known, *(f"{name}_FILE" for name in SECRETS))}
    for name in sorted(read_values()):
        own = name.removeprefix(PREFIX)
        if name.startswith(PREFIX) and own not in plain and name not in _OF_THE_TESTS:
            near = [plain[match] for match in get_close_matches(own, plain, 1)]
            yield f"{name} is not a setting and does nothing" + (f": did you mean {near[0]}?" if near else "")

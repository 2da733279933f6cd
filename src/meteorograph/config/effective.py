"""The settings in force: their values as text, without secrets, and where each comes from."""

from __future__ import annotations

import os
from datetime import timedelta
from typing import Any, Final, NamedTuple

from pydantic import SecretStr

from ..redaction import redact
from .loading import setting_names
from .settings import Settings
from .sources import ENV_FILE, SECRETS, aliases_in_use, read_values

_UNITS: Final = ((86_400, "d"), (3600, "h"), (60, "min"), (1, "s"))


class EffectiveSetting(NamedTuple):
    """A setting in force."""

    #: Name of its environment variable.
    name: str
    #: Its value; of a secret only whether it is set.
    value: str
    #: ``default``, ``environment``, ``.env``, ``command line``, ``demonstration``, or the name of another variable that gives it.
    source: str

    @property
    def is_default(self) -> bool:
        """Whether nobody has set it."""
        return self.source == "default"


def effective_settings(settings: Settings) -> list[EffectiveSetting]:
    """All settings, by name."""
    names = setting_names()
    texts, aliases = read_values(), aliases_in_use(names.values())
    environment = {name.upper() for name in os.environ}
    found = []
    for field, name in names.items():
        if field == "demo":
            continue
        if field not in settings.model_fields_set:
            source = "default"
        elif name in texts:
            source = "environment" if name in environment else ENV_FILE.name
        elif name in aliases:
            source = aliases[name].name
        else:
            source = f"{name}_FILE" if f"{name}_FILE" in texts else "demonstration" if settings.demo else "command line"
        found.append(EffectiveSetting(name, _text(getattr(settings, field), is_secret=name in SECRETS), source))
    return sorted(found)


def _text(value: Any, *, is_secret: bool) -> str:
    if value is None or value in ([], {}):
        return "not set"
    match value:
        case dict():  # of secrets, the names are none
            if is_secret:
                return ", ".join(value)
            return "; ".join(f"{name}: {', '.join(one) if isinstance(one, list) else one}" for name, one in value.items())
        case _ if is_secret or isinstance(value, SecretStr):
            return "set (hidden)"
        case timedelta():
            return _duration_text(value)
        case bool():
            return str(value).lower()
        case int() if value >= 10_000:
            return f"{value:,}"
        case list():
            return redact(", ".join(map(str, value)))
    return redact(str(value))


def _duration_text(length: timedelta) -> str:
    seconds = length.total_seconds()
    size, unit = next((size, unit) for size, unit in _UNITS if seconds % size == 0 or size == 1)
    return f"{seconds / size:g} {unit}"

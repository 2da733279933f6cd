"""Other names of settings: names without the prefix, and names that scripts with APScheduler use."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Final

PREFIX: Final = "METEOROGRAPH_"


def _hours(text: str) -> str:
    """Hours as a duration of the settings; a text that is no number becomes one that the settings refuse."""
    try:
        return f"{float(text) * 60:g}m"
    except ValueError:
        return f"{text}h"


def _unchanged(text: str) -> str:
    return text


#: Name elsewhere → the setting with the same meaning, and how to convert its value.
_SYNONYMS: Final[dict[str, tuple[str, Callable[[str], str]]]] = {
    "DATA_INGEST_INTERVAL_HOURS": ("METEOROGRAPH_INTERVAL", _hours),
    "DB_POOL_RECYCLE": ("METEOROGRAPH_DB_POOL_RECYCLE_SECONDS", _unchanged),
    "DB_POOL_TIMEOUT": ("METEOROGRAPH_DB_POOL_TIMEOUT_SECONDS", _unchanged),
    "VALID_API_KEYS": ("METEOROGRAPH_API_TOKENS", _unchanged),
}

#: Name elsewhere → what to do instead.
_WITHOUT_MEANING: Final = {
    "METEOSTAT_API_KEY": "Meteostat is not a provider, but Open-Meteo has a history",
    "OPENWEATHER_API_KEY": "the key is read from OWM_API_KEY",
    "OPENWEATHERMAP_API_KEY": "the key is read from OWM_API_KEY",
    "SQLALCHEMY_DATABASE_URI": "the database is read from DATABASE_URL",
}

#: Variables with these prefixes look like settings of a weather collector.
_FAMILIES: Final = ("DATA_INGEST_", "DB_POOL_", "METEOSTAT_", "OWM_", "SCHEDULER_", "WEATHERSTACK_")

#: Names without the prefix that have another meaning for other programs.
_NOT_OURS: Final = frozenset({"JOBS"})

#: How similar a name in ``.env`` must be to the name of a setting to be taken for a mistake.
_SIMILAR: Final = 0.85


@dataclass(frozen=True, slots=True)
class Alias:
    """A variable that is used for a setting although it has another name."""

    name: str
    setting: str
    #: Its text, and the same as a value of the setting.
    text: str
    value: str


def find_aliases(values: Mapping[str, str], settings: Iterable[str]) -> dict[str, Alias]:
    """Setting → the variable with another name that gives its value; only of settings that are not set under their own name."""
    known = set(settings)
    aliases: dict[str, Alias] = {}
    for name, setting, convert in _other_names(known):
        if name in values and name not in known and setting not in values and setting not in aliases:
            aliases[setting] = Alias(name, setting, values[name], convert(values[name]))
    return aliases


def _other_names(settings: set[str]) -> Iterator[tuple[str, str, Callable[[str], str]]]:
    for setting in sorted(settings):
        if setting.startswith(PREFIX) and setting.removeprefix(PREFIX) not in _NOT_OURS:
            yield setting.removeprefix(PREFIX), setting, _unchanged
    for name, (setting, convert) in _SYNONYMS.items():
        if setting in settings:
            yield name, setting, convert


def other_names(setting: str) -> list[str]:
    """The other names of a setting."""
    return [name for name, _, _ in _other_names({setting})]


def alias_lines(values: Mapping[str, str], settings: Iterable[str]) -> Iterator[str]:
    """A line for every variable with another name of a setting."""
    known = set(settings)
    used = find_aliases(values, known)
    for name, setting, _ in _other_names(known):
        if name in values and name not in known:
            if setting in used and used[setting].name == name:
                yield f"{name} is used as {setting}: use that name instead"
            else:
                yield f"{name} is ignored, because {setting if setting in values else used[setting].name} is set"


def unknown_lines(values: Mapping[str, str], in_file: Iterable[str], settings: Iterable[str]) -> Iterator[str]:
    """A line for every variable that looks like a setting but is none.

    Args:
        values: All variables.
        in_file: Names of the variables in ``.env``, which is our file: a name in it that is similar to a setting is a mistake.
        settings: Names of the settings and of the variables that name their secret files.
    """
    known = set(settings)
    plain = {name.removeprefix(PREFIX): name for name in known}
    names_in_file = set(in_file)
    for name in sorted(values):
        if name in known or name in plain or name in _SYNONYMS:
            continue
        if name in _WITHOUT_MEANING:
            yield f"{name} is not a setting and has no effect: {_WITHOUT_MEANING[name]}"
            continue
        suffix, has_prefix = name.removeprefix(PREFIX), name.startswith(PREFIX)
        similar = get_close_matches(suffix, plain, 1, 0.6 if has_prefix else _SIMILAR)
        if has_prefix or name.startswith(_FAMILIES) or (name in names_in_file and similar):
            yield f"{name} is not a setting and has no effect" + (f": did you mean {plain[similar[0]]}?" if similar else "")

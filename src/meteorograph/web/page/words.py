"""Words of the pages for what the code calls by identifiers: quantities, states, flags, reasons, windows of a quota."""

from __future__ import annotations

from typing import Final

from ...i18n import Language, Phrase, phrase_in
from ...model.flags import Flag
from ...model.states import MissedReason
from ...model.words import WINDOWS

#: Points of the compass, clockwise.
POINTS: Final = (
    phrase_in("compass", "N"),
    phrase_in("compass", "NE"),
    phrase_in("compass", "E"),
    phrase_in("compass", "SE"),
    phrase_in("compass", "S"),
    phrase_in("compass", "SW"),
    phrase_in("compass", "W"),
    phrase_in("compass", "NW"),
)

#: Missed reason → text.
REASONS: Final[dict[str, Phrase]] = {
    MissedReason.DOWN: Phrase("the service was down"),
    MissedReason.STOPPED: Phrase("the service was stopped"),
    MissedReason.DATABASE: Phrase("the database did not take the work"),
    MissedReason.INTERNAL: Phrase("the service had an internal error"),
    MissedReason.UNRECORDED: Phrase("the run ended without an account of it"),
    MissedReason.LATE: Phrase("the run before it was still at work"),
    MissedReason.QUOTA: Phrase("the quota was used up"),
    MissedReason.PROVIDER_ERROR: Phrase("the provider failed"),
    MissedReason.PAYLOAD_ERROR: Phrase("the answer was not understood"),
    MissedReason.STORE_ERROR: Phrase("the database did not take it"),
}

#: Quantities, as in a sentence.
QUANTITIES: Final = {
    "observed_at": Phrase("time of observation"),
    "temperature": Phrase("temperature"),
    "humidity": Phrase("humidity"),
    "dew_point": Phrase("dew point"),
    "pressure": Phrase("pressure"),
    "station_pressure": Phrase("station pressure"),
    "altimeter_setting": Phrase("altimeter setting"),
    "wind_speed": Phrase("wind speed"),
    "wind_direction": Phrase("wind direction"),
    "wind_gust": Phrase("wind gust"),
    "cloud_cover": Phrase("cloud cover"),
    "visibility": Phrase("visibility"),
    "uv_index": Phrase("uv index"),
    "weather_code": Phrase("weather code"),
    "precipitation": Phrase("precipitation"),
    "snowfall_water_equivalent": Phrase("snowfall water equivalent"),
}

#: Flags of values.
FLAGS: Final = {
    Flag.IMPLIED_ZERO: phrase_in("flag", "implied zero"),
    Flag.IMPOSSIBLE: phrase_in("flag", "impossible"),
    Flag.UNREADABLE: phrase_in("flag", "unreadable"),
    Flag.TRACE: phrase_in("flag", "trace"),
    Flag.CLEAR_BELOW: phrase_in("flag", "clear below"),
    Flag.AT_LEAST: phrase_in("flag", "at least"),
    Flag.DERIVED: phrase_in("flag", "derived"),
    Flag.MODELLED: phrase_in("flag", "modelled"),
    Flag.LEVEL_UNKNOWN: phrase_in("flag", "level unknown"),
    Flag.REJECTED: phrase_in("flag", "rejected"),
    Flag.RANGE: phrase_in("flag", "range"),
    Flag.CLIMATE: phrase_in("flag", "climate"),
    Flag.STEP: phrase_in("flag", "step"),
    Flag.LEVEL: phrase_in("flag", "level"),
    Flag.PERSISTENCE: phrase_in("flag", "persistence"),
    Flag.INCONSISTENT: phrase_in("flag", "inconsistent"),
    Flag.STALE: phrase_in("flag", "stale"),
    Flag.DUPLICATE: phrase_in("flag", "duplicate"),
    Flag.FUTURE: phrase_in("flag", "future"),
    Flag.OLD: phrase_in("flag", "old"),
    Flag.DISAGREES: phrase_in("flag", "disagrees"),
}

#: States of places, runs, tasks, keys, incidents and messages, by what they are states of.
STATES: Final[dict[str, dict[str, Phrase]]] = {
    "place": {
        "active": phrase_in("place", "active"),
        "paused": phrase_in("place", "paused"),
        "unscheduled": phrase_in("place", "unscheduled"),
        "stale": phrase_in("place", "stale"),
    },
    "run": {
        "pending": phrase_in("run", "pending"),
        "running": phrase_in("run", "running"),
        "succeeded": phrase_in("run", "succeeded"),
        "partial": phrase_in("run", "partial"),
        "failed": phrase_in("run", "failed"),
        "missed": phrase_in("run", "missed"),
        "skipped": phrase_in("run", "skipped"),
    },
    "task": {
        "pending": phrase_in("task", "waits"),
        "running": phrase_in("task", "runs"),
        "succeeded": phrase_in("task", "done"),
        "failed": phrase_in("task", "failed"),
        "cancelled": phrase_in("task", "cancelled"),
    },
    "key": {
        "missing": phrase_in("key", "missing"),
        "untested": phrase_in("key", "untested"),
        "pending": phrase_in("key", "pending"),
        "active": phrase_in("key", "active"),
        "invalid": phrase_in("key", "invalid"),
        "plan_missing": phrase_in("key", "plan missing"),
        "blocked": phrase_in("key", "blocked"),
        "unknown": phrase_in("key", "unknown"),
    },
    "incident": {"open": phrase_in("incident", "open"), "resolved": phrase_in("incident", "resolved")},
    "message": {
        "waiting": phrase_in("message", "waiting"),
        "sent": phrase_in("message", "sent"),
        "given_up": phrase_in("message", "given up"),
    },
}


#: Words of the page of settings: values, and where they come from.
SETTINGS: Final = {
    "not set": phrase_in("setting", "not set"),
    "set (hidden)": phrase_in("setting", "set (hidden)"),
    "default": phrase_in("setting", "default"),
    "environment": phrase_in("setting", "environment"),
    "command line": phrase_in("setting", "command line"),
    "demonstration": phrase_in("setting", "demonstration"),
    "true": phrase_in("setting", "true"),
    "false": phrase_in("setting", "false"),
}


def state_word(state: str, kind: str, *, language: Language) -> str:
    """A state of a place, run, task, key, incident or message in words."""
    return language.say(STATES[kind].get(state, state.replace("_", " ")))


def quantity_word(name: str, *, language: Language) -> str:
    """A quantity in words."""
    return language.say(QUANTITIES.get(name, name.replace("_", " ")))


def flag_word(flag: str, *, language: Language) -> str:
    """A flag in words; after a colon what it is about, such as the impossible value."""
    word, colon, rest = flag.partition(":")
    return f"{language.say(FLAGS[Flag(word)])}{colon}{rest}" if word in FLAGS else flag.replace("_", " ")


def window_word(window: str, *, language: Language) -> str:
    """A window of a quota in words."""
    return language.say(WINDOWS.get(window, window))


def setting_word(text: str, *, language: Language) -> str:
    """The value of a setting, or where it comes from: our own words in words of the language."""
    return language.say(SETTINGS.get(text, text))


def first_capital(text: str, *, language: Language) -> str:
    """A text that begins with a capital letter; the other letters stay."""
    return text[:1].upper() + text[1:]


#: The functions that templates use as filters, by their names.
FILTERS: Final = (state_word, quantity_word, flag_word, window_word, setting_word, first_capital)

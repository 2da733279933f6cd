"""English texts of the ledger on pages: their values in the units of the reader, their instants in the zone of the page. Pure."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Final

from .display import Display

#: Units in stored texts → a quantity that has this unit.
_QUANTITIES: Final = {"°C": "temperature", "mm": "precipitation", "m/s": "wind_speed", "hPa": "pressure"}

_NUMBER: Final = r"(?<![\d.])-?\d+(?:\.\d+)?"
_UNIT: Final = r"(?:°C|mm|m/s|hPa)(?![\w/])"
_VALUES: Final = re.compile(rf"({_NUMBER})(?:( to )({_NUMBER}))? ({_UNIT})")

_INSTANT: Final = r"\d{4}-\d\d-\d\d \d\d:\d\d"
_INSTANTS: Final = re.compile(rf"({_INSTANT})(?:( to )({_INSTANT}))? UTC")


def for_reader(text: str, display: Display) -> str:
    """The text of an incident as the reader wants it; a time of day without its date stays in UTC, as it says."""
    return _VALUES.sub(lambda found: _values(found, display), _INSTANTS.sub(lambda found: _instants(found, display), text))


def _instants(found: re.Match[str], display: Display) -> str:
    first, word, last = found.groups()
    at = [datetime.fromisoformat(one).replace(tzinfo=UTC) for one in (first, last) if one]
    return f"{(word or '').join(map(display.instant, at))} {display.label(at[-1])}"


def _values(found: re.Match[str], display: Display) -> str:
    first, word, last, unit = found.groups()
    name = _QUANTITIES[unit]
    values = [display.value(name, float(one)) for one in (first, last) if one]
    return f"{(word or '').join(values)} {display.unit(name)}"

"""Numbers and times as the reader wants them: units, decimals, zone and language. Pure."""

from __future__ import annotations

from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

from ...i18n import DateStyle
from ...model import units
from .filters import instant, number
from .preferences import Preferences, zone_label

#: Decimals by unit. The pressure of weather maps has no more than one.
_DECIMALS: Final = {"Pa": 0, "inHg": 2, "in": 2, "%": 0, "degree": 0, "km": 1, "mi": 1}
_DECIMALS_OF_METRES: Final = {"visibility": 0, "precipitation": 4, "snowfall_water_equivalent": 4}

#: Units that are written differently for people.
_WRITTEN: Final = {"mi/h": "mph", "degree": "°"}


class Display:
    """Writes quantities in the units and the language of the reader, and times in one zone.

    Args:
        preferences: What the reader has chosen.
        place_zone: IANA zone of the place that is shown, if it is one place.
    """

    def __init__(self, preferences: Preferences, place_zone: str | None = None) -> None:
        self.preferences = preferences
        self.language = preferences.language
        self.zone: ZoneInfo = preferences.zone_of(place_zone)
        self._units = units.Units(preferences.units, {"visibility": "mi" if preferences.units == "imperial" else "km"})

    def convert(self, name: str, value: float) -> float:
        """A canonical value of a quantity in its unit."""
        converter = self._units.converter(name)
        return converter(value) if converter else value

    def decimals(self, name: str) -> int:
        """Decimals of a quantity in its unit."""
        unit = self._units.unit_of(name)
        return _DECIMALS_OF_METRES.get(name, 1) if unit == "m" else _DECIMALS.get(unit, 1)

    def unit(self, name: str) -> str:
        """The unit of a quantity, as it is written."""
        unit = self._units.unit_of(name)
        return _WRITTEN.get(unit, unit)

    def value(self, name: str, value: float | None, decimals: int | None = None) -> str:
        """A canonical value as text without its unit; a dash for None."""
        if value is None:
            return number(None)
        return number(self.convert(name, value), self.decimals(name) if decimals is None else decimals, language=self.language)

    def local(self, at: datetime) -> datetime:
        """An instant in the zone of the page."""
        return at.astimezone(self.zone)

    def clock(self, at: datetime) -> str:
        """The time of day, with seconds only if it has some."""
        return self.local(at).strftime("%H:%M:%S" if at.second else "%H:%M")

    def time(self, at: datetime, now: datetime) -> str:
        """The time of day to the minute, with its date and zone unless that is today."""
        at = at.replace(second=0)
        return self.clock(at) if self.local(at).date() == self.local(now).date() else self.moment(at, now)

    def moment(self, at: datetime, now: datetime) -> str:
        """An instant with its zone, and with its date unless that is today."""
        local, today = self.local(at), self.local(now).date()
        if local.date() == today:
            return f"{self.clock(at)} {zone_label(local)}"
        day = self.language.date(local, DateStyle.DAY if local.year == today.year else DateStyle.DAY_YEAR)
        return f"{day} {self.clock(at)} {zone_label(local)}"

    def instant(self, at: datetime | None) -> str:
        """An instant in a table: date and time of day, without the zone; a dash for None."""
        return instant(at and self.local(at), language=self.language)

    def label(self, at: datetime) -> str:
        """What the zone of the page is called at an instant."""
        return zone_label(self.local(at))

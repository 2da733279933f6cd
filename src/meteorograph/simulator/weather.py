"""What every simulated provider answers from: the weather of one place at one time, and where that place is."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

import msgspec

from ..model.quantities import QUANTITIES
from .conditions import Condition
from .geography import Spot


class Weather(msgspec.Struct, frozen=True, kw_only=True):
    """The weather in the units of ``quantities.py``; None is "not known", and then left out of every answer."""

    #: The instant the values are true of, and the end of the hour that precipitation fell in.
    at: datetime
    temperature: float | None = None
    humidity: float | None = None
    pressure: float | None = None
    wind_speed: float | None = None
    wind_direction: float | None = None
    wind_gust: float | None = None
    cloud_cover: float | None = None
    visibility: float | None = None
    #: Water fallen as rain and as snow over the hour [mm]; both None when it was not measured.
    rain: float | None = None
    snow: float | None = None
    condition: Condition | None = None

    @property
    def precipitation(self) -> float | None:
        """Rain and snow together [mm]."""
        return None if self.rain is None or self.snow is None else round(self.rain + self.snow, 2)

    def truth(self) -> dict[str, float | str | None]:
        """The canonical values by name, ``precipitation_period`` [s], and ``condition`` in OpenWeatherMap's words."""
        values: dict[str, float | str | None] = {row.name: getattr(self, row.name, None) for row in QUANTITIES}
        values["precipitation_period"] = None if self.precipitation is None else 3600
        values["condition"] = self.condition.owm_description if self.condition else None
        return values


class Source(Protocol):
    """Where weather comes from: the model or a recorded series."""

    def find(self, latitude: float, longitude: float) -> Spot | None:
        """The place a point belongs to; None where the provider would not know it."""
        ...

    def weather(self, spot: Spot, at: datetime) -> Weather:
        """The weather there at the newest data time not after ``at``."""
        ...

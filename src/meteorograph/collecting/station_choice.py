"""Which of the stations around a location is requested. Pure.

The nearest station is requested first. After some slots without data, or at once if the provider does not know the station (any
more), the next one follows. After the last one the stations are looked up again.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

import msgspec

from ..errors import FetchError, PayloadError, PermanentFetchError
from ..model.values import DueLocation, Observation, RequestPoint, Station

#: Stations that are kept for a location.
MAX_STATIONS: Final = 5
#: Slots without data after which the next station is requested.
MAX_FAILURES: Final = 3
#: Stations of a location that one slot may request.
STATIONS_PER_SLOT: Final = 3
#: Shortest time between two lookups for a location.
LOOKUP_PAUSE: Final = timedelta(hours=3)
#: After this time the stations are looked up again, if the nearest one is not the one that is requested.
RENEW_AFTER: Final = timedelta(days=7)


class StationChoice(msgspec.Struct):
    """The stations of a location, and the one that is requested."""

    location: DueLocation
    #: Nearest first.
    stations: list[Station]
    found_at: datetime
    #: Index of the station that is requested; the number of stations if none is left.
    rank: int = 0
    #: Slots without data of this station, one after the other.
    failures: int = 0
    is_changed: bool = False

    @property
    def station(self) -> Station | None:
        """The station that is requested; None if none is left."""
        return self.stations[self.rank] if self.rank < len(self.stations) else None

    @property
    def point(self) -> RequestPoint:
        """The point of the location with the station that is requested."""
        where = self.location.coordinates
        return RequestPoint(where.latitude, where.longitude, self.station.id if self.station else None)

    def is_due_for_lookup(self, now: datetime) -> bool:
        """Whether the stations are to be looked up (again)."""
        if not self.stations:
            return True
        age = now - self.found_at
        return age >= LOOKUP_PAUSE if self.station is None else self.rank > 0 and age >= RENEW_AFTER

    def replace_stations(self, stations: list[Station], now: datetime) -> None:
        """Take the stations of a new lookup: the nearest one, but a new one before those that gave no data."""
        failed = {station.id for station in self.stations} if self.station is None else set()
        self.stations, self.found_at = stations[:MAX_STATIONS], now
        self.rank = next((rank for rank, station in enumerate(self.stations) if station.id not in failed), 0)
        self.failures, self.is_changed = 0, True

    def start_over(self) -> None:
        """Request the nearest station again."""
        self.rank, self.failures, self.is_changed = 0, 0, True

    def note_answer(self, outcome: Observation | FetchError | PayloadError, max_age: timedelta) -> bool:
        """Take note of what the station gave; returns whether another station may be requested at once."""
        if isinstance(outcome, Observation) and not _is_old(outcome, max_age):
            self.is_changed |= self.failures > 0
            self.failures = 0
            return False
        if not isinstance(outcome, Observation) and type(outcome) is not PermanentFetchError:
            return False  # a failure of the provider says nothing about the station
        is_unknown = isinstance(outcome, PermanentFetchError) and outcome.status in (400, 404)
        self.failures, self.is_changed = self.failures + 1, True
        if is_unknown or self.failures >= MAX_FAILURES:
            self.rank, self.failures = self.rank + 1, 0
        return is_unknown and self.station is not None


def _is_old(observation: Observation, max_age: timedelta) -> bool:
    return observation.observed_at is not None and observation.fetched_at - observation.observed_at > max_age

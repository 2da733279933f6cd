"""All calls to the simulated providers."""

from __future__ import annotations

import threading
from collections import Counter, defaultdict
from collections.abc import Mapping
from datetime import datetime

import msgspec

from ..model.values import Coordinates

OPENWEATHERMAP = "openweathermap"
#: OpenWeatherMap's One Call, which is counted separately.
ONE_CALL = "openweathermap-onecall"
WEATHERSTACK = "weatherstack"
OPEN_METEO = "open-meteo"
MET_NORWAY = "met-norway"
NWS = "nws"
METAR = "metar"
PROVIDERS = (OPENWEATHERMAP, ONE_CALL, WEATHERSTACK, OPEN_METEO, MET_NORWAY, NWS, METAR)
#: Quota window → format of the time of a call, equal for all calls of a period.
_WINDOWS = {"minute": "%Y-%m-%dT%H:%MZ", "hour": "%Y-%m-%dT%HZ", "day": "%Y-%m-%d", "month": "%Y-%m"}


class Call(msgspec.Struct, frozen=True):
    """A call; the point is None if the query has no valid point."""

    provider: str
    key: str
    latitude: float | None
    longitude: float | None
    #: Time of arrival, by the clock of the simulator.
    at: datetime
    #: Further points of a call for several points.
    others: tuple[tuple[float, float], ...] = ()
    #: Weight in calls.
    weight: float = 1.0

    @property
    def points(self) -> tuple[tuple[float, float], ...]:
        """All points of the call [degree]."""
        first = () if self.latitude is None or self.longitude is None else ((self.latitude, self.longitude),)
        return first + self.others


class Tally:
    """Counts calls. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._calls: list[Call] = []
        #: Number of a call, from 1 → kind of its fault.
        self._faulted: dict[int, str] = {}
        #: Provider, key, window and period → charged calls.
        self._used: dict[tuple[str, str, str, str], float] = defaultdict(float)

    def add(self, call: Call, limits: Mapping[str, int | None]) -> tuple[int, str | None]:
        """Count a call; gives its number, from 1, and the window of ``limits`` that it exceeds, if any."""
        exceeded = None
        with self._lock:
            self._calls.append(call)
            for window, limit in limits.items():
                period = (call.provider, call.key, window, call.at.strftime(_WINDOWS[window]))
                if limit is not None and self._used[period] >= limit:
                    exceeded = exceeded or window
                self._used[period] += call.weight
            return len(self._calls), exceeded

    def record_fault(self, number: int, kind: str) -> None:
        """Record the fault of a call."""
        with self._lock:
            self._faulted[number] = kind

    def fault_counts(self) -> Counter[str]:
        """Kind of a fault → how many calls had it."""
        with self._lock:
            return Counter(self._faulted.values())

    def calls_without_fault(self) -> tuple[Call, ...]:
        """The calls without a fault, in the order of arrival."""
        with self._lock:
            return tuple(call for number, call in enumerate(self._calls, 1) if number not in self._faulted)

    def calls(self) -> tuple[Call, ...]:
        """All calls, in the order of arrival."""
        with self._lock:
            return tuple(self._calls)

    def count(self, provider: str | None = None, key: str | None = None) -> int:
        """The number of calls, optionally of one provider or one key."""
        return sum(provider in (None, call.provider) and key in (None, call.key) for call in self.calls())

    def charged_calls(self, provider: str) -> float:
        """The number of charged calls of a provider."""
        return sum(call.weight for call in self.calls() if call.provider == provider)

    def reset(self) -> None:
        """Forget all calls, and reset the quotas."""
        with self._lock:
            self._calls.clear()
            self._faulted.clear()
            self._used.clear()

    def summary(self) -> dict[str, int | dict[str, int]]:
        """Number of calls by provider, key, place and minute."""
        calls = self.calls()
        places = Counter(str(Coordinates(*point)) for call in calls for point in call.points)
        return {
            "total": len(calls),
            "by_provider": dict(Counter(call.provider for call in calls)),
            "by_key": dict(Counter(call.key for call in calls)),
            "by_place": dict(places),
            "by_minute": dict(Counter(call.at.strftime("%Y-%m-%dT%H:%MZ") for call in calls)),
        }

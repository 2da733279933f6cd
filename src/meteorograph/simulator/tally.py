"""Every call that a simulated provider got."""

from __future__ import annotations

import threading
from collections import Counter, defaultdict
from collections.abc import Mapping
from datetime import datetime

import msgspec

from ..model.values import Coordinates

OPENWEATHERMAP = "openweathermap"
#: OpenWeatherMap's One Call, which is counted apart.
ONE_CALL = "openweathermap-onecall"
WEATHERSTACK = "weatherstack"
OPEN_METEO = "open-meteo"
PROVIDERS = (OPENWEATHERMAP, ONE_CALL, WEATHERSTACK, OPEN_METEO)
#: What a quota is counted over, as a pattern for the call's time.
_WINDOWS = {"minute": "%Y-%m-%dT%H:%MZ", "hour": "%Y-%m-%dT%HZ", "day": "%Y-%m-%d", "month": "%Y-%m"}


class Call(msgspec.Struct, frozen=True):
    """One call as it arrived; the point is None where the query did not hold one."""

    provider: str
    key: str
    latitude: float | None
    longitude: float | None
    #: When it arrived, by the simulator's clock.
    at: datetime
    #: The points of a call for several, after the first.
    others: tuple[tuple[float, float], ...] = ()
    #: As how many calls it counts.
    weight: float = 1.0

    @property
    def points(self) -> tuple[tuple[float, float], ...]:
        """Every point that it asks for [degree]."""
        first = () if self.latitude is None or self.longitude is None else ((self.latitude, self.longitude),)
        return first + self.others


class Tally:
    """Counts calls; safe across threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._calls: list[Call] = []
        #: Number of a call, from 1 → kind of the fault that it fell under.
        self._faulted: dict[int, str] = {}
        #: Provider, key, window and its period → calls charged.
        self._used: dict[tuple[str, str, str, str], float] = defaultdict(float)

    def add(self, call: Call, limits: Mapping[str, int | None]) -> tuple[int, str | None]:
        """Count a call; returns its number from 1, and the window of ``limits`` that was used up before it, if any."""
        over = None
        with self._lock:
            self._calls.append(call)
            for window, limit in limits.items():
                period = (call.provider, call.key, window, call.at.strftime(_WINDOWS[window]))
                if limit is not None and self._used[period] >= limit:
                    over = over or window
                self._used[period] += call.weight
            return len(self._calls), over

    def fault(self, number: int, kind: str) -> None:
        """Note that a call fell under a fault."""
        with self._lock:
            self._faulted[number] = kind

    def sound(self) -> tuple[Call, ...]:
        """The calls that fell under no fault, in the order they came."""
        with self._lock:
            return tuple(call for number, call in enumerate(self._calls, 1) if number not in self._faulted)

    def calls(self) -> tuple[Call, ...]:
        """All calls in the order they came."""
        with self._lock:
            return tuple(self._calls)

    def count(self, provider: str | None = None, key: str | None = None) -> int:
        """How many calls came, of one provider or one key where given."""
        return sum(provider in (None, call.provider) and key in (None, call.key) for call in self.calls())

    def charged(self, provider: str) -> float:
        """As how many calls those to a provider count."""
        return sum(call.weight for call in self.calls() if call.provider == provider)

    def reset(self) -> None:
        """Forget all calls, and with them what they used of the quotas."""
        with self._lock:
            self._calls.clear()
            self._faulted.clear()
            self._used.clear()

    def summary(self) -> dict[str, int | dict[str, int]]:
        """Totals by provider, key, place and minute."""
        calls = self.calls()
        places = Counter(str(Coordinates(*point)) for call in calls for point in call.points)
        return {
            "total": len(calls),
            "by_provider": dict(Counter(call.provider for call in calls)),
            "by_key": dict(Counter(call.key for call in calls)),
            "by_place": dict(places),
            "by_minute": dict(Counter(call.at.strftime("%Y-%m-%dT%H:%MZ") for call in calls)),
        }

"""Every call that a simulated provider got."""

from __future__ import annotations

import threading
from collections import Counter
from datetime import datetime

import msgspec

from ..values import Coordinates

OPENWEATHERMAP = "openweathermap"
WEATHERSTACK = "weatherstack"
PROVIDERS = (OPENWEATHERMAP, WEATHERSTACK)
#: What one quota is counted over, as a pattern for the call's time.
_WINDOWS = {OPENWEATHERMAP: "%Y-%m-%dT%H:%MZ", WEATHERSTACK: "%Y-%m"}


class Call(msgspec.Struct, frozen=True):
    """One call as it arrived; the point is None where the query did not hold one."""

    provider: str
    key: str
    latitude: float | None
    longitude: float | None
    #: When it arrived, by the simulator's clock.
    at: datetime


class Tally:
    """Counts calls; safe across threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._calls: list[Call] = []
        self._in_window: Counter[tuple[str, str, str]] = Counter()

    def add(self, call: Call) -> tuple[int, int]:
        """Count a call; returns its number, and its number within its key's quota window, both from 1."""
        window = (call.provider, call.key, call.at.strftime(_WINDOWS[call.provider]))
        with self._lock:
            self._calls.append(call)
            self._in_window[window] += 1
            return len(self._calls), self._in_window[window]

    def calls(self) -> tuple[Call, ...]:
        """All calls in the order they came."""
        with self._lock:
            return tuple(self._calls)

    def count(self, provider: str | None = None, key: str | None = None) -> int:
        """How many calls came, of one provider or one key where given."""
        return sum(provider in (None, call.provider) and key in (None, call.key) for call in self.calls())

    def reset(self) -> None:
        """Forget all calls, and with them what they used of the quotas."""
        with self._lock:
            self._calls.clear()
            self._in_window.clear()

    def summary(self) -> dict[str, int | dict[str, int]]:
        """Totals by provider, key, place and minute."""
        calls = self.calls()
        points = [(call.latitude, call.longitude) for call in calls]
        places = Counter(str(Coordinates(lat, lon)) for lat, lon in points if lat is not None and lon is not None)
        return {
            "total": len(calls),
            "by_provider": dict(Counter(call.provider for call in calls)),
            "by_key": dict(Counter(call.key for call in calls)),
            "by_place": dict(places),
            "by_minute": dict(Counter(call.at.strftime("%Y-%m-%dT%H:%MZ") for call in calls)),
        }

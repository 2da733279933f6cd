"""Usage of quota windows and the forecast of when they run out. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from ...accounts import quota

#: Least fraction of a window over which the rate is computed: right after the start it would be arbitrary.
_LEAST: Final = 1 / 30


@dataclass(frozen=True, slots=True)
class Gauge:
    """One window of an account."""

    window: str
    used: int
    limit: int
    #: Calls that only collection on demand may spend.
    reserved: int
    resets_at: datetime
    #: Fraction of the limit that is used now, and expected at the end of the window at this rate.
    share: float
    expected: float
    #: When the limit is reached at this rate; None if the window ends before.
    exhausted_at: datetime | None

    @property
    def level(self) -> str:
        """``good``, ``near`` or ``out``."""
        if self.used >= self.limit - self.reserved:
            return "out"
        return "near" if self.exhausted_at or self.share >= 0.8 else "good"


def gauge(usage: quota.Usage, planned: int, now: datetime) -> Gauge:
    """The gauge of a window for which the plan has ``planned`` calls.

    The rate is that of the window so far or that of the plan, whichever is higher. Minutes have no rate: calls above the
    limit wait for the next minute.
    """
    length = (usage.resets_at - usage.starts_at).total_seconds()
    passed = max((now - usage.starts_at).total_seconds(), length * _LEAST)
    rate = 0.0 if usage.window == "minute" else max(usage.used / passed, planned / length)
    left = (usage.limit - usage.used) / rate if rate else None
    remaining = usage.resets_at - now
    runs_out = left is not None and left < remaining.total_seconds()
    at = now + remaining * (left / remaining.total_seconds()) if runs_out and left is not None else None
    return Gauge(
        window=usage.window,
        used=usage.used,
        limit=usage.limit,
        reserved=quota.reserve_of(usage.limit),
        resets_at=usage.resets_at,
        share=usage.used / usage.limit,
        expected=(usage.used + rate * remaining.total_seconds()) / usage.limit,
        exhausted_at=at and at.replace(second=0, microsecond=0),
    )


def gauges(usages: list[quota.Usage], planned: Mapping[str, int], now: datetime) -> list[Gauge]:
    """The gauges of all windows of an account."""
    return [gauge(usage, planned.get(usage.window, 0), now) for usage in usages]

"""How far the windows of an account are spent, and when they will be. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from ...accounts import quota

#: The pace of a window that has only begun says little: it is taken over this part of the window at least.
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
    #: Part of the limit that is used, and that will be at the end of the window at this pace.
    share: float
    expected: float
    #: When the limit is reached at this pace; None if not before the window ends.
    exhausted_at: datetime | None

    @property
    def level(self) -> str:
        """How it stands: ``good``, ``near`` or ``out``."""
        if self.used >= self.limit - self.reserved:
            return "out"
        return "near" if self.exhausted_at or self.share >= 0.8 else "good"


def gauge(usage: quota.Usage, planned: int, now: datetime) -> Gauge:
    """The gauge of a window, in which the plan is to make ``planned`` calls.

    The pace is that of the window so far or that of the plan, whichever is faster. Minutes have none: what does not fit into
    one waits for the next.
    """
    length = (usage.resets_at - usage.starts_at).total_seconds()
    passed = max((now - usage.starts_at).total_seconds(), length * _LEAST)
    pace = 0.0 if usage.window == "minute" else max(usage.used / passed, planned / length)
    left = (usage.limit - usage.used) / pace if pace else None
    remaining = usage.resets_at - now
    exhausted = left is not None and left < remaining.total_seconds()
    at = now + remaining * (left / remaining.total_seconds()) if exhausted and left is not None else None
    return Gauge(
        window=usage.window,
        used=usage.used,
        limit=usage.limit,
        reserved=quota.reserve_of(usage.limit),
        resets_at=usage.resets_at,
        share=usage.used / usage.limit,
        expected=(usage.used + pace * remaining.total_seconds()) / usage.limit,
        exhausted_at=at and at.replace(second=0, microsecond=0),
    )


def gauges(usage: list[quota.Usage], planned: Mapping[str, int], now: datetime) -> list[Gauge]:
    """The gauges of an account's windows."""
    return [gauge(one, planned.get(one.window, 0), now) for one in usage]

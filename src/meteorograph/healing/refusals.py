"""Histories that refused a key. Held per process: the database knows only the state of the whole account."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

#: Time after a refusal before a history is tried again.
REFUSED_WAIT: Final = timedelta(days=1)


@dataclass(slots=True)
class HistoryRefusals:
    """The time of the last refusal of each history source."""

    _refused_at: dict[str, datetime] = field(default_factory=dict)

    def record(self, source: str, now: datetime) -> None:
        """Record that a history source refused the key."""
        self._refused_at[source] = now

    def has_refused(self, source: str, now: datetime) -> bool:
        """Whether a history source refused the key within the last day."""
        refused_at = self._refused_at.get(source)
        return refused_at is not None and now < refused_at + REFUSED_WAIT

    def reset(self) -> None:
        """Forget all refusals."""
        self._refused_at.clear()


#: The refusals of this process.
REFUSALS: Final = HistoryRefusals()

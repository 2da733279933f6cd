"""Whether the clock of this machine is right, by the ``Date`` header of providers' answers."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Final

from ..log_output import get_logger
from ..model import clock

log = get_logger(__name__)

#: A larger difference than this means that the clock is wrong: an answer may be cached for a minute, and take seconds.
MAX_DIFFERENCE: Final = timedelta(minutes=2)

#: The header is looked at only so often [s]: parsing it takes as long as the rest of a small answer.
_EVERY_SECONDS: Final = 10.0

#: How long a clock is doubted that no answer has confirmed [s]: nothing may be due for hours.
_DOUBT_SECONDS: Final = 120.0


class ClockCheck:
    """What the answers say of the clock. A provider whose own clock is wrong does not count once another one agrees with ours."""

    def __init__(self) -> None:
        self._differences: dict[str, timedelta] = {}
        self._looked_at: dict[str, float] = {}
        self._doubted_at = time.monotonic()
        self._offset = _offset()
        #: By how much the clock was changed last.
        self._step = timedelta(0)

    def note(self, provider: str, date: str | None, now: datetime) -> None:
        """Take note of the ``Date`` header of an answer that arrived at ``now`` (aware UTC)."""
        if (
            date is None
            or clock.is_driven()
            or time.monotonic() - self._looked_at.get(provider, -_EVERY_SECONDS) < _EVERY_SECONDS
        ):
            return
        self._follow_clock()
        if self._is_of_old_clock(now):
            return
        self._looked_at[provider] = time.monotonic()
        try:
            said = parsedate_to_datetime(date)
            difference = now - (said if said.tzinfo else said.replace(tzinfo=UTC))
        except (ValueError, OverflowError):
            return
        was_wrong = self.wrong_by
        self._differences[provider] = difference
        if (is_wrong := self.wrong_by) is not None and was_wrong is None:
            log.error("the clock of this machine is wrong", seconds=round(is_wrong.total_seconds()), provider=provider)
        elif is_wrong is None and was_wrong is not None:
            log.warning("the clock of this machine is right again", provider=provider)

    @property
    def wrong_by(self) -> timedelta | None:
        """How far the clock is ahead (negative: behind); None if it is right, or nothing is known."""
        differences = self._differences.values()
        if not differences or min(map(abs, differences)) <= MAX_DIFFERENCE:
            return None
        return min(differences, key=abs)

    @property
    def is_trusted(self) -> bool:
        """Whether an answer agrees with the clock, or none has come for a while since the start or the last step of the clock."""
        if clock.is_driven():
            return True
        self._follow_clock()
        is_confirmed = bool(self._differences) or time.monotonic() - self._doubted_at > _DOUBT_SECONDS
        return is_confirmed and self.wrong_by is None

    def _follow_clock(self) -> None:
        if abs(_offset() - self._offset) > MAX_DIFFERENCE.total_seconds():
            self.reset()  # the clock was changed just now

    def _is_of_old_clock(self, now: datetime) -> bool:
        """Whether an answer arrived before the last step of the clock, of which it says nothing."""
        since = clock.now() - now
        return self._step != timedelta(0) and abs(since - self._step) < abs(since)

    def reset(self) -> None:
        """Forget everything: after a step of the clock the old differences say nothing."""
        offset = _offset()
        self._step = timedelta(seconds=offset - self._offset)
        self._doubted_at, self._offset = time.monotonic(), offset
        self._differences.clear()
        self._looked_at.clear()


def _offset() -> float:
    """The clock of the machine without the time that goes by [s]: it changes when the clock is changed."""
    return time.time() - time.monotonic()

"""Slots of a cron expression in a time zone. Pure.

CronSim finds the times on the clock face that match the expression; it sees neither zones nor changes of the clocks, because its
own handling of them is wrong: its next time can be before the start (in the hour that clocks show twice), going back it finds
other times than going forward, and a half-hour jump takes its hourly steps off the hour. This module converts times on the clock
face to instants, by the rules of Debian's cron: https://manpages.debian.org/bookworm/cron/cron.8.en.html
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from cronsim import CronSim

from .clock_changes import SECOND, ClockChange, first_change, last_change, utc_offset

HOUR: Final = timedelta(hours=1)

#: No clock was ever put back by more than this.
_MAX_REPEATED: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Cron:
    """A slot at each minute that a cron expression matches in its time zone.

    If neither the minute nor the hour begins with ``*``, the times are fixed: a time that the clocks skip is due right after the
    jump, and a time that they show twice is due the first time. All other times are due whenever the clocks show them. If such an
    expression matches in every hour, and a jump by a part of an hour would make a pause longer than an hour, it is also due right
    after the jump.
    """

    expression: str
    zone: str = "UTC"

    def slot_at(self, now: datetime) -> datetime | None:
        """The latest slot at or before ``now`` (aware UTC); None if the expression did not match in the 50 years before."""
        end = face = _face(now, utc_offset(self.zone, now))
        while True:
            offset = utc_offset(self.zone, now)
            if not face < _face(now, offset) < end:  # otherwise ``face`` is still the last match
                end = _face(now, offset)
                if (match := self._last_match(end)) is None:
                    return None
                face = match
            slot = _instant(face, offset)
            if (change := last_change(self.zone, slot, now)) is not None:
                if face >= _face(change.at, change.before) and self._is_due_after(change):
                    return change.at
            elif (change := self._repeated_from(slot, face)) is None:
                return slot
            now = change.at - SECOND

    def slots_between(self, after: datetime, before: datetime) -> Iterator[datetime]:
        """The slots strictly between two instants, oldest first."""
        for slot in self._slots_after(after):
            if slot >= before:
                return
            yield slot

    def next_after(self, now: datetime) -> datetime | None:
        """The first slot after ``now``; None if the expression does not match in the next 50 years."""
        return next(self._slots_after(now), None)

    def _slots_after(self, now: datetime) -> Iterator[datetime]:
        """The slots after an instant, oldest first."""
        offset = utc_offset(self.zone, now)
        start = _face(now, offset)
        if (change := self._repeated_from(now, start)) is not None:
            start = _face(change.at, change.before) - SECOND
        matches = CronSim(self.expression, start)
        face = next(matches, None)
        while face is not None:
            slot = _instant(face, offset)
            if (change := first_change(self.zone, now, slot)) is None:
                yield slot
                now, start, face = slot, face, next(matches, None)
                continue
            now, offset = change.at, change.after
            resumed = _face(now, max(change.before, offset) if self._is_fixed() else offset) - SECOND
            if face < _face(now, offset) and self._is_due_after(change):
                yield now
                resumed += SECOND
            if not start <= resumed < face:  # otherwise ``face`` is still the first match
                matches = CronSim(self.expression, resumed)
                face = next(matches, None)
            start = resumed

    def _is_fixed(self) -> bool:
        minute, hour = self.expression.split()[:2]
        return not (minute.startswith("*") or hour.startswith("*"))

    def _repeated_from(self, at: datetime, face: datetime) -> ClockChange | None:
        """The change since which the clocks repeat what they have shown, if a fixed time is not due at ``at`` because of it."""
        if not self._is_fixed():
            return None
        change = last_change(self.zone, at - _MAX_REPEATED, at)
        return change if change is not None and face < _face(change.at, change.before) else None

    def _is_due_after(self, change: ClockChange) -> bool:
        """Whether there is a slot at a change because the clocks skip a time that matches."""
        skipped_from, skipped_to = _face(change.at, change.before), _face(change.at, change.after)
        skipped = self._last_match(skipped_to - SECOND)
        if skipped is None or skipped < skipped_from:
            return False
        if self._is_fixed():
            return True
        if (change.after - change.before) % HOUR == timedelta(0) or len(CronSim(self.expression, skipped_to).hours) < 24:
            return False
        last, following = self._last_match(skipped_from - SECOND), next(CronSim(self.expression, skipped_to - SECOND), None)
        return last is None or following is None or _instant(following, change.after) - _instant(last, change.before) > HOUR

    def _last_match(self, face: datetime) -> datetime | None:
        """The latest match at or before a time on the clock face."""
        minute_after = face.replace(second=0, microsecond=0) + timedelta(minutes=1)
        return next(CronSim(self.expression, minute_after, reverse=True), None)


def _face(at: datetime, offset: timedelta) -> datetime:
    """What clocks with this offset from UTC show at an instant, without a zone."""
    return (at + offset).replace(tzinfo=None)


def _instant(face: datetime, offset: timedelta) -> datetime:
    """When clocks with this offset from UTC show a time (aware UTC)."""
    return (face - offset).replace(tzinfo=UTC)

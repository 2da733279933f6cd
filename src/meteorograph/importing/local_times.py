"""Instants of local times that the clocks show twice or never. Pure.

When the clocks go back, an hour of local times occurs twice. The order of the rows says which is which: after a local time that
is not later than the one before it, the second hour has begun. Where the order does not say it, the rows are refused.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from typing import Final, Generic, NamedTuple, TypeVar
from zoneinfo import ZoneInfo

T = TypeVar("T")

#: Ambiguous times that are further apart belong to two changes of the clocks.
_ONE_CHANGE: Final = timedelta(hours=12)

ZONE_ALLOWED: Final = "must be the name of a time zone such as Europe/Athens, UTC, or an offset such as +02:00"


def parse_zone(text: str) -> tzinfo:
    """A time zone by its name, or a fixed offset from UTC.

    Raises:
        ValueError: The text is neither; the message says what is allowed.
    """
    try:
        if text[:1] in "+-" and text:
            offset = datetime.strptime(text.replace("\N{MINUS SIGN}", "-"), "%z").utcoffset()
            assert offset is not None
            return timezone(offset)
        return ZoneInfo(text)
    except (KeyError, ValueError, OSError):
        raise ValueError(ZONE_ALLOWED) from None


class Resolved(NamedTuple, Generic[T]):
    """An item with the instant of its local time (aware UTC), or why there is none."""

    item: T
    instant: datetime | None
    reason: str = ""


class LocalTimes(Generic[T]):
    """Finds the instants of the local times of one location, in the order of the rows.

    Args:
        zone: Zone of the times.
    """

    def __init__(self, zone: tzinfo) -> None:
        self._zone = zone
        self._before: datetime | None = None
        self._twice: list[tuple[datetime, T]] = []

    def add(self, local: datetime, item: T) -> Iterator[Resolved[T]]:
        """Add a local time; yields the items whose instants are known now, which may include earlier ones."""
        first, second = (local.replace(tzinfo=self._zone, fold=fold).utcoffset() for fold in (0, 1))
        assert first is not None
        assert second is not None
        if first > second:
            if self._twice and abs(local - self._twice[-1][0]) > _ONE_CHANGE:
                yield from self.finish(local)
            self._twice.append((local, item))
            return
        yield from self.finish(local)
        self._before = local
        if first < second:
            yield Resolved(item, None, f"must exist: the clocks of {self._zone} skip this time")
        else:
            yield Resolved(item, local.replace(tzinfo=self._zone).astimezone(UTC))

    def finish(self, after: datetime | None = None) -> Iterator[Resolved[T]]:
        """Yield the items that still waited; ``after`` is the local time after them."""
        waiting, self._twice = self._twice, []
        folds = self._folds([local for local, _ in waiting], after)
        for (local, item), fold in zip(waiting, folds, strict=True):
            self._before = local
            if fold is None:
                which = (
                    f"the clocks of {self._zone} show this time twice, and the order of the rows does not say which one is meant"
                )
                yield Resolved(item, None, f"must have an offset from UTC: {which}")
            else:
                yield Resolved(item, local.replace(tzinfo=self._zone, fold=fold).astimezone(UTC))

    def _folds(self, times: list[datetime], after: datetime | None) -> list[int | None]:
        """0 for the first of two equal local times, 1 for the second, None if that is unknown."""
        if not times:
            return []
        is_descending = (self._before is not None and self._before > times[0]) or (
            self._before is None and after is not None and after < times[-1]
        )
        fold, turns, folds = int(is_descending), 0, []
        for index, local in enumerate(times):
            if index and ((local >= times[index - 1]) if is_descending else (local <= times[index - 1])):
                fold, turns = 1 - fold, turns + 1
            folds.append(fold)
        return list(folds) if turns == 1 else [None] * len(times)

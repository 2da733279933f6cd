"""Which rows are old enough to be sealed, and ready for it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from importlib.util import find_spec
from typing import Final

from sqlalchemy import exists, func, select
from sqlalchemy.orm import Session

from ..config.settings import Settings
from ..errors import ConfigurationError
from ..storage.archive.files import month_of
from ..storage.archive.ranges import MAX_IN_VALUES
from ..storage.models import ArchiveFile, Location, OutboxEntry, RolledUpUntil, SealedRange, WeatherData

#: Locations of one file. A process that is killed has to write one file again.
_LOCATIONS_PER_FILE: Final = 2500


@dataclass(frozen=True, slots=True)
class SealTask:
    """Rows of a month that belong into one file."""

    month: datetime
    location_ids: Sequence[int]

    @property
    def end(self) -> datetime:
        """Start of the month after it."""
        return next_month(self.month)


def next_month(month: datetime) -> datetime:
    """Start of the month after a month."""
    return month_of(month + timedelta(days=31))


def retention_of(settings: Settings, tags: Sequence[str] | None) -> timedelta | None:
    """How long the rows of a location with these tags stay in the table; None for ever. The longest time of its tags counts."""
    by_tag = settings.retention_days_by_tag
    days = [by_tag[tag] for tag in tags or () if tag in by_tag] or [settings.retention_days]
    return None if 0 in days else timedelta(days=max(days))


def seals(settings: Settings) -> bool:
    """Whether rows of any location are ever sealed."""
    return settings.retention_days > 0 or any(settings.retention_days_by_tag.values())


def find_tasks(session: Session, settings: Settings, now: datetime) -> Iterator[SealTask]:
    """Yield what can be sealed, oldest month first."""
    retentions = {
        id_: retention
        for id_, tags in session.execute(select(Location.id, Location.tags).order_by(Location.id))
        if (retention := retention_of(settings, tags)) is not None
    }
    first = session.scalar(select(func.min(WeatherData.due_at)))
    if first is None or not retentions:
        return
    month, shortest = month_of(first), min(retentions.values())
    while (end := next_month(month)) <= now - shortest:
        old = [id_ for id_, retention in retentions.items() if end <= now - retention]
        ready = [id_ for part in _parts(old) for id_ in _ready(session, month, part)]
        for start in range(0, len(ready), _LOCATIONS_PER_FILE):
            yield SealTask(month, ready[start : start + _LOCATIONS_PER_FILE])
        month = end


def _parts(ids: Sequence[int]) -> Iterator[Sequence[int]]:
    return (ids[first : first + MAX_IN_VALUES] for first in range(0, len(ids), MAX_IN_VALUES))


def _ready(session: Session, month: datetime, ids: Sequence[int]) -> Sequence[int]:
    """The locations with rows of a month whose days are rolled up.

    The newest row of a location stays in the table, where all that looks for the newest row finds it. Rows for which an
    integration waits stay too.
    """
    end = next_month(month)
    mine = WeatherData.location_id == Location.id
    has_rows = exists().where(mine, WeatherData.due_at >= month, WeatherData.due_at < end)
    has_later = exists().where(mine, WeatherData.due_at >= end)
    is_rolled_up = exists().where(RolledUpUntil.location_id == Location.id, RolledUpUntil.until_at >= end)
    waits = exists().where(OutboxEntry.location_id == Location.id, OutboxEntry.due_at >= month, OutboxEntry.due_at < end)
    query = select(Location.id).where(Location.id.in_(ids), has_rows, has_later, is_rolled_up)
    found = session.scalars(query.order_by(Location.id)).all()
    if found and session.scalar(select(exists().where(OutboxEntry.due_at >= month, OutboxEntry.due_at < end))):
        waiting = set(session.scalars(select(Location.id).where(Location.id.in_(found), waits)))
        return [id_ for id_ in found if id_ not in waiting]
    return found


def find_overlaps(session: Session, task: SealTask) -> dict[int, list[int]]:
    """File → locations of a task that have sealed rows of the month and others in the table."""
    overlaps: dict[int, list[int]] = {}
    query = select(SealedRange.file_id, SealedRange.location_id).join(ArchiveFile, ArchiveFile.id == SealedRange.file_id)
    within = (ArchiveFile.month_at == task.month, SealedRange.location_id.in_(task.location_ids))
    for file_id, location_id in session.execute(query.where(*within).distinct()):
        overlaps.setdefault(file_id, []).append(location_id)
    return overlaps


def count_tasks(session: Session, settings: Settings, now: datetime) -> list[tuple[datetime, int, int]]:
    """Month, number of locations and number of rows of what can be sealed, oldest month first."""
    counts: dict[datetime, tuple[int, int]] = {}
    for task in find_tasks(session, settings, now):
        within = (WeatherData.due_at >= task.month, WeatherData.due_at < task.end)
        mine = (WeatherData.location_id.in_(task.location_ids), *within)
        rows = session.scalar(select(func.count()).select_from(WeatherData).where(*mine)) or 0
        locations, before = counts.get(task.month, (0, 0))
        counts[task.month] = locations + len(task.location_ids), before + rows
    return [(month, *numbers) for month, numbers in counts.items()]


def require_pyarrow(settings: Settings) -> None:
    """Check that what the settings ask to seal can be sealed.

    Raises:
        ConfigurationError: pyarrow is not installed.
    """
    if seals(settings) and find_spec("pyarrow") is None:
        name = "METEOROGRAPH_RETENTION_DAYS" + ("" if settings.retention_days else "_BY_TAG")
        raise ConfigurationError(f"{name} is set, and to seal months needs pyarrow: pip install 'meteorograph[parquet]'")


def require_retention(settings: Settings) -> None:
    """Check that the settings ask to seal anything.

    Raises:
        ConfigurationError: They do not, or pyarrow is not installed.
    """
    if not seals(settings):
        raise ConfigurationError("METEOROGRAPH_RETENTION_DAYS=0: must be 1 or more days for rows to be sealed")
    require_pyarrow(settings)

"""Journalled payloads through the parser again: what it reads now, against what is stored.

Slot by slot, so that no more is held in memory than the slots that one hour of the journal may still add to.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from sqlalchemy import delete, select
from sqlalchemy.exc import DataError, IntegrityError
from sqlalchemy.orm import Session

from ..config.settings import Settings
from ..errors import FetchError, PayloadError
from ..healing.requests import MATCH_WITHIN, match_slots
from ..journal import reader
from ..journal.entry import Entry
from ..model.schedule import Interval, parse_schedule
from ..model.states import Origin
from ..model.values import Observation, RequestPoint
from ..providers.registry import PROVIDERS
from ..quality.impossible_values import drop_impossible
from ..storage.engine import get_db_session
from ..storage.models import Location, Missed, WeatherData
from ..storage.observations import Row, refusal_text, to_row, write_rows
from .compare import SAME, Difference, ParsedPayloads, assemble_row, changed_row, missing_row

#: Rows of one transaction.
TOGETHER: Final = 500

_DAY: Final = timedelta(days=1)


@dataclass(slots=True)
class ReparseResult:
    """What came of it."""

    payloads: int = 0
    #: Rows that are missing or have another value, and how many values.
    rows: int = 0
    differences: int = 0
    #: Payloads that cannot be read, by what is said of them; their rows stay as they are.
    unread: dict[str, int] = field(default_factory=dict)
    #: Of the rows, those that the database refused, with its words.
    refused: list[str] = field(default_factory=list)


class SlotPayloads(NamedTuple):
    """A slot, and what payloads say of it."""

    location_id: int
    due_at: datetime
    given: ParsedPayloads
    origin: Origin


def reparse(
    settings: Settings,
    start: datetime,
    end: datetime,
    *,
    apply: bool,
    only_missing: bool = False,
    told: Callable[[Difference], None] = lambda _: None,
) -> ReparseResult:
    """Parse what the journal has of slots with ``start <= due_at < end``, and store the differences if told to.

    Each value is held against what the payload of the provider says that the row says it came from. A row that is missing
    is put together from the payloads of its slot, as it is in collection. What is stored meanwhile by others is not lost:
    rows are read and stored in one transaction, and one that has come to be there is left alone.

    Args:
        settings: The order of the providers, and where the journal is.
        start: The first slot.
        end: Up to then.
        apply: Whether to store what differs.
        only_missing: Whether rows that are there are left as they are.
        told: Hears each difference, once it is stored.

    Raises:
        StoreError: The database cannot be reached; what was stored by then stays.
    """
    return _ReparseRun(settings, start, end, apply, only_missing, told).through()


class _ReparseRun:
    def __init__(
        self,
        settings: Settings,
        start: datetime,
        end: datetime,
        apply: bool,
        only_missing: bool,
        told: Callable[[Difference], None],
    ) -> None:
        self._settings, self._start, self._end, self._apply, self._tell = settings, start, end, apply, told
        self._only_missing = only_missing
        self._done = ReparseResult()
        #: Slot → location → what its payloads say.
        self._live: dict[datetime, dict[int, dict[str, list[Observation]]]] = {}
        with get_db_session(read_only=True) as session:
            self._there = set(session.scalars(select(Location.id)))
            schedules = [parse_schedule(text) for text in session.scalars(select(Location.schedule).distinct()) if text]
        #: For how long a slot may be collected, as long as it is not over.
        lengths = [one.length if isinstance(one, Interval) else _DAY for one in schedules]
        self._lasts = min(_DAY, max([settings.interval, *lengths]))

    def through(self) -> ReparseResult:
        longest = max((history.span for one in PROVIDERS.values() for history in one.history), default=timedelta(0))
        for entry in reader.read_slots(self._settings.journal_dir, self._start, self._end, earlier=longest):
            self._settle_until(entry.fetched_at.replace(minute=0, second=0, microsecond=0) - self._lasts)
            if entry.kind == "history" or (entry.kind == "current" and entry.due_at >= self._start):
                self._read(entry)
        self._settle_until(self._end)
        return self._done

    def _read(self, entry: Entry) -> None:
        ids = entry.location_ids
        if self._there.isdisjoint(filter(None, ids)):
            return
        self._done.payloads += 1
        try:
            found = _hours(entry) if entry.kind == "history" else PROVIDERS[entry.provider].parse(entry.payload())
            if entry.kind == "current" and len(found) != len(ids):
                raise PayloadError(entry.provider, f"{len(found)} answers to {len(ids)} points", entry.body)
        except (FetchError, PayloadError) as error:
            self._note_unread(str(error))
        except Exception as error:  # a parser's fault must cost one payload and not the others
            self._note_unread(f"{entry.provider}: the parser failed: {type(error).__name__}")
        else:
            checked = [None if one is None else drop_impossible(one) for one in found]
            if entry.kind == "history":
                self._settle_history(entry, [one for one in checked if one is not None and one.observed_at is not None])
                return
            for location_id, one in zip(ids, checked, strict=True):
                if location_id is not None and location_id in self._there and one is not None:
                    by_provider = self._live.setdefault(entry.due_at, {}).setdefault(location_id, {})
                    by_provider.setdefault(entry.provider, []).append(one)

    def _note_unread(self, said: str) -> None:
        self._done.unread[said] = self._done.unread.get(said, 0) + 1

    def _settle_until(self, hour: datetime) -> None:
        """Settle the slots that were over at this hour."""
        for due_at in sorted(due_at for due_at in self._live if due_at < hour):
            by_location = self._live.pop(due_at)
            self._settle([SlotPayloads(id_, due_at, by_location[id_], Origin.LIVE) for id_ in sorted(by_location)])

    def _settle_history(self, entry: Entry, observations: Sequence[Observation]) -> None:
        location_id = entry.location_ids[0]
        times = [one.observed_at for one in observations if one.observed_at is not None]
        if location_id is None or not times:
            return
        first, last = max(self._start, min(times) - MATCH_WITHIN), min(self._end, max(times) + MATCH_WITHIN)
        slots: list[datetime] = []
        with get_db_session(read_only=True) as session:
            for model in (WeatherData, Missed):
                mine = select(model.due_at).where(model.location_id == location_id, model.due_at.between(first, last))
                slots += [slot for slot in session.scalars(mine) if slot < self._end]
        found = match_slots(sorted(set(slots)), observations)
        self._settle([SlotPayloads(location_id, at, {entry.provider: [one]}, Origin.BACKFILL) for at, one in found.items()])

    def _settle(self, parts: Sequence[SlotPayloads]) -> None:
        """Find what differs of slots that share their location or their time, and store it."""
        for first in range(0, len(parts), TOGETHER):
            some = parts[first : first + TOGETHER]
            try:
                self._settle_together(some)
            except (DataError, IntegrityError) as error:
                if len(some) == 1:
                    self._done.rows += 1
                    self._done.refused.append(refusal_text(error))
                    continue
                for one in some:  # one bad row must not cost the others
                    self._settle([one])

    def _settle_together(self, parts: Sequence[SlotPayloads]) -> None:
        with get_db_session(read_only=not self._apply) as session:
            rows = _stored(session, parts, for_update=self._apply)
            new: list[Row] = []
            other: list[Row] = []
            differences: list[Difference] = []
            for part in parts:
                stored = rows.get((part.location_id, part.due_at))
                if stored is None:
                    made = self._missing(part)
                    new += [made] if made else []
                    differences += [missing_row(made)] if made else []
                elif not self._only_missing and stored["origin"] == part.origin and not _is_of_another(stored, part):
                    made, found = changed_row(stored, part.given)
                    other += [made] if made else []
                    differences += found
            if self._apply:
                _store(session, new, other)
        self._done.rows += len(new) + len(other)
        self._done.differences += len(differences)
        for one in differences:
            self._tell(one)

    def _missing(self, part: SlotPayloads) -> Row | None:
        if part.origin == Origin.LIVE:
            return assemble_row(part.location_id, part.due_at, part.given, self._settings)
        ((found,),) = part.given.values()
        return to_row(part.location_id, part.due_at, found, Origin.BACKFILL)


def _stored(session: Session, parts: Sequence[SlotPayloads], *, for_update: bool) -> dict[tuple[int, datetime], Row]:
    ids, slots = {part.location_id for part in parts}, {part.due_at for part in parts}
    query = select(WeatherData.__table__).where(WeatherData.location_id.in_(ids), WeatherData.due_at.in_(slots))
    query = query.order_by(WeatherData.location_id, WeatherData.due_at)
    found = session.execute(query.with_for_update() if for_update else query).mappings()
    return {(one["location_id"], one["due_at"]): dict(one) for one in found}


def _is_of_another(stored: Row, part: SlotPayloads) -> bool:
    """Whether a row of a history came with another answer than this one."""
    if part.origin == Origin.LIVE:
        return False
    given = part.given.get(stored["provider"])
    return given is None or abs(given[0].fetched_at - stored["fetched_at"]) >= SAME


def _store(session: Session, new: Sequence[Row], other: Sequence[Row]) -> None:
    write_rows(session, other)
    write_rows(session, new, replace=False)
    for one in new:
        mine = delete(Missed).where(Missed.location_id == one["location_id"], Missed.due_at == one["due_at"])
        session.execute(mine, execution_options={"synchronize_session": False})


def _hours(entry: Entry) -> Sequence[Observation | None]:
    """What an entry says, by the history that asks at such an address."""
    provider = PROVIDERS[entry.provider]
    path = urlsplit(entry.url).path
    for history in provider.history:
        asked = history.request("http://host", RequestPoint(*entry.points[0]), entry.due_at, entry.due_at, "")
        if path.endswith(urlsplit(asked.url).path):
            return history.parse(entry.payload()).observations
    raise PayloadError(provider.name, f"no history is asked at {path}", entry.body)

"""Parses journalled payloads again and compares the result with the stored rows.

Works slot by slot: memory holds only the slots to which the current hour of the journal may still add payloads.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from sqlalchemy import select
from sqlalchemy.exc import DataError, IntegrityError
from sqlalchemy.orm import Session

from ..config.settings import Settings
from ..errors import FetchError, PayloadError
from ..healing.requests import MATCH_WITHIN, match_slots
from ..journal import reader
from ..journal.entry import Entry
from ..journal.store import open_store
from ..ledger.late_rows import count_late_rows, delete_reasons, lock_runs
from ..model.schedule import Interval, parse_schedule
from ..model.states import Origin
from ..model.values import Observation, RequestPoint
from ..model.words import counted
from ..providers.registry import PROVIDERS
from ..quality.dew_point import derive_dew_point
from ..quality.impossible_values import drop_impossible
from ..storage.archive.files import read_sealed_rows
from ..storage.archive.ranges import sealed_slots
from ..storage.engine import get_db_session
from ..storage.models import Location, Missed, WeatherData
from ..storage.observations import Row, refusal_text, to_row, write_rows
from .compare import SAME_TIME, Difference, ParsedPayloads, assemble_row, changed_row, missing_row

#: Maximum number of rows of one transaction.
TRANSACTION_ROWS: Final = 500

_DAY: Final = timedelta(days=1)


@dataclass(slots=True)
class ReparseResult:
    """Counts and errors of a reparse."""

    payloads: int = 0
    #: Number of rows that are missing or differ, and number of differences.
    rows: int = 0
    differences: int = 0
    #: Payloads that cannot be parsed, by error text. Their rows stay unchanged.
    unread: dict[str, int] = field(default_factory=dict)
    #: Reasons of the database for the rows that it refused.
    refused: list[str] = field(default_factory=list)


class SlotPayloads(NamedTuple):
    """A slot of a location with its parsed payloads."""

    location_id: int
    due_at: datetime
    payloads: ParsedPayloads
    origin: Origin


def reparse(
    settings: Settings,
    start: datetime,
    end: datetime,
    *,
    apply: bool,
    only_missing: bool = False,
    report: Callable[[Difference], None] = lambda _: None,
    resume_at: datetime | None = None,
    progress: Callable[[datetime, ReparseResult], None] = lambda *_: None,
    stop: threading.Event | None = None,
) -> ReparseResult:
    """Parse the journalled payloads of slots with ``start <= due_at < end`` again, and store the differences if ``apply`` is set.

    Each value is compared with the payload of the provider that the row names for it. A missing row is made from the payloads of
    its slot in the same way as in collection. Rows that other processes store meanwhile are not lost: rows are read and stored in
    one transaction, and a row that exists by then is kept.

    Args:
        settings: Order of the providers, and folder of the journal.
        start: The first slot.
        end: The slot after the last one.
        apply: Whether to store the differences.
        only_missing: Whether existing rows stay unchanged.
        report: Called with each difference, after it is stored.
        resume_at: Up to where an earlier call has got by its ``progress``.
        progress: Called for each hour of the journal with the instant up to which it is done, and the result so far.
        stop: Set to end early; what is stored stays.

    Raises:
        JournalStoreError: The journal store cannot be used.
        StoreError: The database cannot be reached. Rows that are stored already stay.
    """
    run = _ReparseRun(settings, start, end, apply, only_missing, report, resume_at or start)
    return run.run(progress, stop or threading.Event())


class _ReparseRun:
    def __init__(
        self,
        settings: Settings,
        start: datetime,
        end: datetime,
        apply: bool,
        only_missing: bool,
        report: Callable[[Difference], None],
        resume_at: datetime,
    ) -> None:
        self._settings, self._start, self._end, self._apply, self._report = settings, start, end, apply, report
        self._only_missing, self._resume_at = only_missing, max(start, resume_at)
        self._result = ReparseResult()
        #: Slot → location id → provider → observations of live collection.
        self._live: dict[datetime, dict[int, dict[str, list[Observation]]]] = {}
        with get_db_session(read_only=True) as session:
            self._location_ids = set(session.scalars(select(Location.id)))
            schedules = [parse_schedule(text) for text in session.scalars(select(Location.schedule).distinct()) if text]
        #: Maximum time after a slot in which its payloads can arrive.
        lengths = [schedule.length if isinstance(schedule, Interval) else _DAY for schedule in schedules]
        self._max_slot_length = min(_DAY, max([settings.interval, *lengths]))

    def run(self, progress: Callable[[datetime, ReparseResult], None], stop: threading.Event) -> ReparseResult:
        histories = [history for provider in PROVIDERS.values() for history in provider.history]
        longest = max((history.span for history in histories), default=timedelta(0))
        done = self._resume_at
        folder = self._settings.journal_dir
        store = open_store(self._settings.journal_store)
        for entry in reader.read_slots(folder, self._start, self._end, earlier=longest, since=self._resume_at, store=store):
            if stop.is_set():
                return self._result
            hour = entry.fetched_at.replace(minute=0, second=0, microsecond=0) - self._max_slot_length
            self._compare_until(hour)
            if hour > done:
                done = hour
                progress(done, self._result)
            if entry.kind == "history" or (entry.kind == "current" and entry.due_at >= self._resume_at):
                self._parse_entry(entry)
        self._compare_until(self._end)
        return self._result

    def _parse_entry(self, entry: Entry) -> None:
        ids = entry.location_ids
        if self._location_ids.isdisjoint(filter(None, ids)):
            return
        self._result.payloads += 1
        try:
            parsed = _parse_history(entry) if entry.kind == "history" else PROVIDERS[entry.provider].parse(entry.payload())
            if entry.kind == "current" and len(parsed) != len(ids):
                raise PayloadError(
                    entry.provider, f"{counted(len(parsed), 'answer')} to {counted(len(ids), 'point')}", entry.body
                )
        except (FetchError, PayloadError) as error:
            self._count_unread(str(error))
        except Exception as error:  # a bug of a parser must cost one payload, not the others
            self._count_unread(f"{entry.provider}: the parser failed: {type(error).__name__}")
        else:
            observations = [self._checked(outcome) for outcome in parsed]
            if entry.kind == "history":
                self._compare_history(entry, [row for row in observations if row is not None and row.observed_at is not None])
                return
            for location_id, observation in zip(ids, observations, strict=True):
                if location_id is not None and location_id in self._location_ids and observation is not None:
                    by_provider = self._live.setdefault(entry.due_at, {}).setdefault(location_id, {})
                    by_provider.setdefault(entry.provider, []).append(observation)

    def _checked(self, outcome: Observation | PayloadError | None) -> Observation | None:
        if isinstance(outcome, PayloadError):
            self._count_unread(str(outcome))
            return None
        return None if outcome is None else drop_impossible(derive_dew_point(outcome))

    def _count_unread(self, reason: str) -> None:
        self._result.unread[reason] = self._result.unread.get(reason, 0) + 1

    def _compare_until(self, hour: datetime) -> None:
        """Compare the slots before this hour: no further payload of them follows in the journal."""
        for due_at in sorted(due_at for due_at in self._live if due_at < hour):
            by_location = self._live.pop(due_at)
            self._compare([SlotPayloads(id_, due_at, by_location[id_], Origin.LIVE) for id_ in sorted(by_location)])

    def _compare_history(self, entry: Entry, observations: Sequence[Observation]) -> None:
        location_id = entry.location_ids[0]
        times = [observation.observed_at for observation in observations if observation.observed_at is not None]
        if location_id is None or not times:
            return
        first, last = max(self._start, min(times) - MATCH_WITHIN), min(self._end, max(times) + MATCH_WITHIN)
        slots: list[datetime] = []
        with get_db_session(read_only=True) as session:
            for model in (WeatherData, Missed):
                query = select(model.due_at).where(model.location_id == location_id, model.due_at.between(first, last))
                slots += [slot for slot in session.scalars(query) if slot < self._end]
            slots += sealed_slots(session, location_id, first, min(self._end, last + timedelta(microseconds=1)))
        matches = match_slots(sorted(set(slots)), observations)
        self._compare(
            [
                SlotPayloads(location_id, at, {entry.provider: [observation]}, Origin.BACKFILL)
                for at, observation in matches.items()
            ]
        )

    def _compare(self, slots: Sequence[SlotPayloads]) -> None:
        """Compare slots that share their location or their time, and store the differences."""
        for first in range(0, len(slots), TRANSACTION_ROWS):
            batch = slots[first : first + TRANSACTION_ROWS]
            try:
                self._compare_batch(batch)
            except (DataError, IntegrityError) as error:
                if len(batch) == 1:
                    self._result.rows += 1
                    self._result.refused.append(refusal_text(error))
                    continue
                for slot in batch:  # one bad row must not cost the others
                    self._compare([slot])

    def _compare_batch(self, batch: Sequence[SlotPayloads]) -> None:
        with get_db_session(read_only=not self._apply) as session:
            if self._apply:
                lock_runs(session, {slot.due_at for slot in batch})
            stored_rows = _read_stored(session, batch, for_update=self._apply)
            new: list[Row] = []
            changed: list[Row] = []
            differences: list[Difference] = []
            for slot in batch:
                stored = stored_rows.get((slot.location_id, slot.due_at))
                if stored is None:
                    row = self._make_row(slot)
                    if row is not None:
                        new.append(row)
                        differences.append(missing_row(row))
                elif not self._only_missing and stored["origin"] == slot.origin and not _has_other_payload(stored, slot):
                    row, row_differences = changed_row(stored, slot.payloads)
                    if row is not None:
                        changed.append(row)
                    differences += row_differences
            if self._apply:
                _store(session, new, changed)
        self._result.rows += len(new) + len(changed)
        self._result.differences += len(differences)
        for difference in differences:
            self._report(difference)

    def _make_row(self, slot: SlotPayloads) -> Row | None:
        if slot.origin == Origin.LIVE:
            return assemble_row(slot.location_id, slot.due_at, slot.payloads, self._settings)
        ((observation,),) = slot.payloads.values()
        return to_row(slot.location_id, slot.due_at, observation, Origin.BACKFILL)


def _read_stored(session: Session, batch: Sequence[SlotPayloads], *, for_update: bool) -> dict[tuple[int, datetime], Row]:
    ids, slots = {slot.location_id for slot in batch}, {slot.due_at for slot in batch}
    query = select(WeatherData.__table__).where(WeatherData.location_id.in_(ids), WeatherData.due_at.in_(slots))
    query = query.order_by(WeatherData.location_id, WeatherData.due_at)
    rows = session.execute(query.with_for_update() if for_update else query).mappings()
    stored = {(row["location_id"], row["due_at"]): dict(row) for row in rows}
    return read_sealed_rows(session, sorted(ids), slots) | stored


def _has_other_payload(stored: Row, slot: SlotPayloads) -> bool:
    """Whether a backfilled row was made from another payload than this one."""
    if slot.origin == Origin.LIVE:
        return False
    observations = slot.payloads.get(stored["provider"])
    return observations is None or abs(observations[0].fetched_at - stored["fetched_at"]) >= SAME_TIME


def _store(session: Session, new: Sequence[Row], changed: Sequence[Row]) -> None:
    write_rows(session, changed)
    write_rows(session, new, replace=False)
    ids_by_slot: dict[datetime, set[int]] = {}
    for row in new:
        ids_by_slot.setdefault(row["due_at"], set()).add(row["location_id"])
    for due_at, ids in ids_by_slot.items():
        healed = delete_reasons(session, due_at, ids)
        if healed and new[0]["origin"] == Origin.LIVE:  # all have the same one; a run does not count what is backfilled
            count_late_rows(session, due_at, healed)


def _parse_history(entry: Entry) -> Sequence[Observation | PayloadError | None]:
    """Parse an entry with the history whose request has the same path."""
    provider = PROVIDERS[entry.provider]
    path = urlsplit(entry.url).path
    for history in provider.history:
        request = history.request("http://host", RequestPoint(*entry.points[0]), entry.due_at, entry.due_at, "")
        if path.endswith(urlsplit(request.url).path):
            return history.parse(entry.payload()).observations
    raise PayloadError(provider.name, f"no history has the path {path}", entry.body)

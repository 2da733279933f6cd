"""One request to a history, from the calls that are spent to the rows that are stored, and what becomes of its slots."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime

from ..collecting.http import Fetcher
from ..errors import AccountError, FetchError, PayloadError, PermanentFetchError, ProviderClosedError
from ..journal import entry
from ..journal.writer import Journal
from ..log_output import get_logger
from ..model.states import Origin
from ..model.values import DueLocation, Observation, Payload, RequestPoint
from ..providers.base import Page
from ..quality.impossible_values import drop_impossible
from ..storage.observations import to_row
from . import missed_slots
from .planner import Budget, HistorySource, PlannedRequest, Planner
from .requests import HistoryRequest, match_slots

log = get_logger(__name__)


@dataclass(slots=True)
class HealingResult:
    """What came of slots that were asked for."""

    filled: int = 0
    #: Every history that may know them has answered, without data.
    empty: int = 0
    #: Of those, unrecoverable from now on.
    closed: int = 0
    #: A history did not answer, or is yet to be asked.
    failed: int = 0
    #: No history could be asked: quotas are used up, or accounts closed.
    waiting: int = 0
    #: Account → calls.
    calls: dict[str, int] = field(default_factory=dict)
    #: Why histories failed, in the order in which they first did.
    reasons: dict[str, None] = field(default_factory=dict)

    @property
    def missing(self) -> int:
        """Slots that were asked for in vain."""
        return self.empty + self.failed

    def add(self, other: HealingResult) -> None:
        """Count in what another round came to, but for what it left for later."""
        for name in ("filled", "empty", "closed", "failed"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        for name, calls in other.calls.items():
            self.calls[name] = self.calls.get(name, 0) + calls
        self.reasons.update(other.reasons)


class Filler:
    """Fills slots in one round.

    Args:
        planner: Knows the histories.
        fetcher: The HTTP client of the round.
        kept_in: Where payloads are kept before anybody reads them.
        told: Hears how far it has come after each request.
    """

    def __init__(
        self, planner: Planner, fetcher: Fetcher, kept_in: Journal | None, told: Callable[[HealingResult], None] | None = None
    ) -> None:
        self.healed = HealingResult()
        self._planner = planner
        self._fetcher = fetcher
        self._journal = kept_in
        self._told = told
        self._opened: set[str] = set()
        self._lock = asyncio.Lock()
        #: The histories that have answered for a slot of a location, in full or to refuse it.
        self._answered: dict[tuple[int, datetime], set[int]] = {}
        #: Slots that a history refused when asked for them alone.
        self._refused: set[tuple[int, int, datetime]] = set()

    def has_asked(self, location_id: int, slot: datetime) -> bool:
        """Whether a history was asked for a slot and gave something, or nothing; not whether one could not be asked."""
        return (location_id, slot) in self._answered

    async def do(self, job: PlannedRequest) -> None:
        """Fill a job's slots; what its history has not is asked of those after it, and what none has is noted.

        Raises:
            StoreError: The database is away.
        """
        location, left = job.stretch.location, set(job.stretch.slots)
        jobs = [job]
        while jobs:
            one = jobs.pop(0)
            filled = await self._fill_unless_refused(one)
            left -= filled
            rest = [slot for slot in one.stretch.slots if slot not in filled]
            jobs += self._planner.jobs([(location, rest)], len(rest), after=one.past) if rest else []
        await self._note(location, left)
        self.healed.filled += len(job.stretch.slots) - len(left)
        if self._told:
            self._told(self.healed)

    async def _fill_unless_refused(self, job: PlannedRequest) -> set[datetime]:
        """Fill a job's slots, unless its key has turned out since it was planned to have no right to the history."""
        if job.past.is_refused(self._planner.now):
            job.past.budget.planned -= job.cost
            return set()
        return await self._fill(job)

    async def _fill(self, job: PlannedRequest) -> set[datetime]:
        """Ask one history once, in parts where it refuses the whole; gives the slots that are filled."""
        observations, error = await self._ask(job)
        if error is not None:
            self.healed.reasons[str(error)] = None
        slots, location = job.stretch.slots, job.stretch.location
        rows = {
            at: to_row(location.id, at, drop_impossible(one), Origin.BACKFILL)
            for at, one in match_slots(slots, observations).items()
        }
        refused = await asyncio.to_thread(missed_slots.store_healed, location.id, rows)
        for reason in refused.values():
            log.error("the database refused a row", location_id=location.id, reason=reason)
        filled = set(rows) - set(refused)
        if error is None:
            self._note_answer(job, slots)
        elif _is_final(error) and len(slots) == 1:
            self._note_answer(job, slots)
            self._refused.add((id(job.past), location.id, slots[0]))
        elif _is_final(error) and not filled:
            filled = await self._fill_in_parts(job)
        return filled

    async def _fill_in_parts(self, job: PlannedRequest) -> set[datetime]:
        """One hour must not cost the others: ask for both ends alone, and for the rest in halves.

        Where both ends and the middle are refused alone, the hours between are not asked for one by one: they wait, as after
        a failure, since nobody knows whether they are refused too.
        """
        newest, *middle, oldest = job.stretch.slots
        filled = await self._fill_part(job, [newest]) | await self._fill_part(job, [oldest])
        half = centre = len(middle) // 2
        if middle and self._is_refused(job, newest) and self._is_refused(job, oldest):
            filled |= await self._fill_part(job, [middle[centre]])
            if self._is_refused(job, middle[centre]):
                return filled
            half += 1
        return filled | await self._fill_part(job, middle[:centre]) | await self._fill_part(job, middle[half:])

    async def _fill_part(self, job: PlannedRequest, slots: Sequence[datetime]) -> set[datetime]:
        if not slots:
            return set()
        stretch = HistoryRequest(job.stretch.location, tuple(slots))
        cost = job.past.history.cost(stretch.start, stretch.end)
        if not job.past.budget.reserve(cost, self._planner.windows):
            return set()
        return await self._fill(PlannedRequest(job.past, stretch, cost))

    async def _ask(self, job: PlannedRequest) -> tuple[list[Observation], FetchError | PayloadError | None]:
        """What a history gives, page by page; what came before an error is kept."""
        found: list[Observation] = []
        start: datetime | None = job.stretch.start
        unpaid = job.cost
        pages = 0
        try:
            await self._open(job.past.budget)
            while start is not None and start <= job.stretch.end:
                if unpaid:
                    await job.past.budget.gate.spend(unpaid)
                page = await self._page(job, start)
                found += page.observations
                pages += 1
                unpaid = 1 if pages >= job.cost else 0
                start = page.next_start if page.next_start and page.next_start > start else None
        except (FetchError, PayloadError) as error:
            if not isinstance(error, (ProviderClosedError, AccountError)):  # those say nothing of the slots
                self._note_asked(job)
            return found, error
        self._note_asked(job)
        return found, None

    async def _page(self, job: PlannedRequest, start: datetime) -> Page:
        past, location = job.past, job.stretch.location
        station = self._planner.stations.get((location.id, past.provider.name))
        point = RequestPoint(location.coordinates.latitude, location.coordinates.longitude, station)
        request = past.history.request(past.base_url, point, start, job.stretch.end, past.key)
        gate = past.budget.gate
        try:
            async with gate.place():
                payload = await self._fetcher.fetch(request)
            if self._journal is not None:
                self._journal.keep(entry.make_entry(payload, "history", start, [location]))
            page = _parsed(past, payload)
        except AccountError as error:
            past.note_refusal(self._planner.now)
            if not any(one.budget is past.budget and not one.is_refused(self._planner.now) for one in self._planner.asked):
                await gate.report(error)  # no other history of this account is left to try
            raise
        except (FetchError, PayloadError) as error:
            await gate.report(error)
            raise
        await gate.report(None)
        return page

    async def _open(self, budget: Budget) -> None:
        """Ask once in a round whether an account may be called."""
        async with self._lock:
            if budget.name not in self._opened:
                self._opened.add(budget.name)
                with suppress(ProviderClosedError):  # spending says it again
                    await budget.gate.open()

    def _note_asked(self, job: PlannedRequest) -> None:
        for slot in job.stretch.slots:
            self._answered.setdefault((job.stretch.location.id, slot), set())

    def _note_answer(self, job: PlannedRequest, slots: Iterable[datetime]) -> None:
        for slot in slots:
            self._answered.setdefault((job.stretch.location.id, slot), set()).add(id(job.past))

    def _is_refused(self, job: PlannedRequest, slot: datetime) -> bool:
        return (id(job.past), job.stretch.location.id, slot) in self._refused

    async def _note(self, location: DueLocation, left: Collection[datetime]) -> None:
        """What was not filled: without data, if every history that may ever know it has answered."""
        asked = [slot for slot in left if (location.id, slot) in self._answered]
        empty = [slot for slot in asked if self._is_decided(location, slot)]
        failed = sorted(set(asked) - set(empty))
        if empty:
            self.healed.closed += await asyncio.to_thread(missed_slots.record_empty, location.id, empty, self._planner.now)
        if failed:
            await asyncio.to_thread(missed_slots.record_failed, location.id, failed, self._planner.now)
        self.healed.empty += len(empty)
        self.healed.failed += len(failed)
        self.healed.waiting += len(left) - len(asked)

    def _is_decided(self, location: DueLocation, slot: datetime) -> bool:
        knowing = [past for past in self._planner.asked if self._planner.will_know(past, location, slot)]
        answered = self._answered[location.id, slot]
        return all(id(past) in answered or past.is_refused(self._planner.now) for past in knowing)


def _is_final(error: FetchError | PayloadError) -> bool:
    """Whether the provider has answered, and would answer the same again."""
    return isinstance(error, PayloadError) or (isinstance(error, PermanentFetchError) and not isinstance(error, AccountError))


def _parsed(past: HistorySource, payload: Payload) -> Page:
    try:
        return past.history.parse(payload)
    except (FetchError, PayloadError):
        raise
    except Exception as error:  # a parser's fault must cost one answer and not the round
        log.exception("the parser failed", provider=past.provider.name)
        raise PayloadError(past.provider.name, f"the parser failed on the body: {type(error).__name__}", payload.body) from None

"""Makes requests to histories: charges calls, fetches and journals payloads, stores rows, and records slots without data."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime

from ..collecting.call_gate import Charge
from ..collecting.http import Fetcher
from ..errors import AccountError, FetchError, PayloadError, PermanentFetchError, ProviderClosedError
from ..journal import entry
from ..journal.writer import Journal
from ..log_output import get_logger
from ..log_repeats import error_once
from ..model.states import Origin
from ..model.values import DueLocation, Observation, Payload, RequestPoint
from ..providers.base import Page
from ..quality.dew_point import derive_dew_point
from ..quality.impossible_values import drop_impossible
from ..storage.observations import to_row
from . import missed_slots
from .planner import AccountBudget, HistorySource, PlannedRequest, Planner
from .requests import HistoryRequest, match_slots

log = get_logger(__name__)


@dataclass(slots=True)
class HealingResult:
    """Number of slots by the outcome of healing, with the calls that were made."""

    filled: int = 0
    #: Every history that may have the slot has answered, without data.
    empty: int = 0
    #: Of the empty slots, those that are unrecoverable from now on.
    closed: int = 0
    #: A history failed, its answer could not be read or stored, or it was not called yet.
    failed: int = 0
    #: No history could be called: quotas are used up, or accounts are closed.
    waiting: int = 0
    #: Account → calls.
    calls: dict[str, int] = field(default_factory=dict)
    #: Error texts in the order of their first occurrence; the values are not used.
    reasons: dict[str, None] = field(default_factory=dict)

    @property
    def missing(self) -> int:
        """Number of slots that were requested but not filled."""
        return self.empty + self.failed

    def add(self, other: HealingResult) -> None:
        """Add the result of another round, without its waiting slots, which a later round requests again."""
        self.filled += other.filled
        self.empty += other.empty
        self.closed += other.closed
        self.failed += other.failed
        for name, calls in other.calls.items():
            self.calls[name] = self.calls.get(name, 0) + calls
        self.reasons.update(other.reasons)


class Filler:
    """Fills the slots of one round.

    Args:
        planner: Plans further requests for slots that a history does not have.
        fetcher: HTTP client of the round.
        journal: Journal for payloads before they are parsed; None if there is none.
        report: Called with the result so far after each planned request.
    """

    def __init__(
        self, planner: Planner, fetcher: Fetcher, journal: Journal | None, report: Callable[[HealingResult], None] | None = None
    ) -> None:
        self.result = HealingResult()
        self._planner = planner
        self._fetcher = fetcher
        self._journal = journal
        self._report = report
        self._opened_accounts: set[str] = set()
        self._lock = asyncio.Lock()
        #: Location id and slot → ids of the histories that answered for it, or refused it alone. Has every requested slot.
        self._answers: dict[tuple[int, datetime], set[int]] = {}
        #: Id of the history, location id and slot of slots that a history refused, or answered unreadably, in a request for this
        #: slot alone.
        self._refused: set[tuple[int, int, datetime]] = set()

    def was_requested(self, location_id: int, slot: datetime) -> bool:
        """Whether a history was called for a slot, whatever the answer."""
        return (location_id, slot) in self._answers

    async def fill(self, planned: PlannedRequest) -> None:
        """Fill the slots of a request. Slots that its history does not have are requested from the next ones.

        Raises:
            StoreError: The database is away.
        """
        location, remaining = planned.request.location, set(planned.request.slots)
        queue = [planned]
        while queue:
            current = queue.pop(0)
            filled = await self._fill_unless_refused(current)
            remaining -= filled
            rest = [slot for slot in current.request.slots if slot not in filled]
            if rest:
                queue += self._planner.plan_requests([(location, rest)], len(rest), after=current.source)
        await self._record_unfilled(location, remaining)
        self.result.filled += len(planned.request.slots) - len(remaining)
        if self._report:
            self._report(self.result)

    async def _fill_unless_refused(self, planned: PlannedRequest) -> set[datetime]:
        """Make a request, unless the history has refused the key since the request was planned."""
        if planned.source.is_refused(self._planner.now):
            planned.source.budget.planned -= planned.cost
            return set()
        return await self._fill_from(planned)

    async def _fill_from(self, planned: PlannedRequest) -> set[datetime]:
        """Make a request to one history, in parts if the history refuses the whole. Returns the filled slots."""
        observations, error = await self._fetch(planned)
        if error is not None:
            self.result.reasons[str(error)] = None
        slots, location = planned.request.slots, planned.request.location
        rows = {
            at: to_row(location.id, at, drop_impossible(derive_dew_point(observation)), Origin.BACKFILL)
            for at, observation in match_slots(slots, observations).items()
        }
        refused_rows = await asyncio.to_thread(missed_slots.store_healed, location.id, rows)
        for reason in refused_rows.values():
            error_once(log, "the database refused a row", (), location_id=location.id, reason=reason)
        filled = set(rows) - set(refused_rows)
        if error is None:
            self._note_answer(planned, set(slots) - set(refused_rows))
        elif _is_about_slots(error) and len(slots) == 1:
            if not isinstance(error, PayloadError):  # an unreadable answer may have the data
                self._note_answer(planned, slots)
            self._refused.add((id(planned.source), location.id, slots[0]))
        elif _is_about_slots(error) and not filled:
            filled = await self._fill_in_parts(planned)
        return filled

    async def _fill_in_parts(self, planned: PlannedRequest) -> set[datetime]:
        """Request both ends alone and the rest in halves, so that one refused hour does not cost the others.

        If both ends and the middle are refused alone, the hours between are not requested one by one. They wait as after a
        failure, because it is unknown whether they are refused too.
        """
        newest, *middle, oldest = planned.request.slots
        filled = await self._fill_part(planned, [newest]) | await self._fill_part(planned, [oldest])
        half = centre = len(middle) // 2
        if middle and self._is_refused(planned, newest) and self._is_refused(planned, oldest):
            filled |= await self._fill_part(planned, [middle[centre]])
            if self._is_refused(planned, middle[centre]):
                return filled
            half += 1
        return filled | await self._fill_part(planned, middle[:centre]) | await self._fill_part(planned, middle[half:])

    async def _fill_part(self, planned: PlannedRequest, slots: Sequence[datetime]) -> set[datetime]:
        if not slots:
            return set()
        request = HistoryRequest(planned.request.location, tuple(slots))
        cost = planned.source.history.cost(request.start, request.end)
        if not planned.source.budget.reserve(cost, self._planner.windows):
            return set()
        return await self._fill_from(PlannedRequest(planned.source, request, cost))

    async def _fetch(self, planned: PlannedRequest) -> tuple[list[Observation], FetchError | PayloadError | None]:
        """Fetch all pages of a request. Returns the observations up to an error, and the error."""
        observations: list[Observation] = []
        start: datetime | None = planned.request.start
        uncharged = planned.cost
        pages = 0
        try:
            await self._open_account(planned.source.budget)
            while start is not None and start <= planned.request.end:
                charge = await planned.source.budget.gate.spend(uncharged) if uncharged else Charge(0)
                page = await self._fetch_page(planned, start, charge)
                observations += page.observations
                pages += 1
                uncharged = 1 if pages >= planned.cost else 0
                start = page.next_start if page.next_start and page.next_start > start else None
        except (FetchError, PayloadError) as error:
            if not isinstance(error, (ProviderClosedError, AccountError)):  # these errors are not about the slots
                self._note_requested(planned)
            return observations, error
        self._note_requested(planned)
        return observations, None

    async def _fetch_page(self, planned: PlannedRequest, start: datetime, charge: Charge) -> Page:
        source, location = planned.source, planned.request.location
        station = self._planner.stations.get((location.id, source.provider.name))
        point = RequestPoint(location.coordinates.latitude, location.coordinates.longitude, station)
        request = source.history.request(source.base_url, point, start, planned.request.end, source.key)
        gate = source.budget.gate
        try:
            async with gate.place():
                payload = await gate.fetch(self._fetcher, request, charge)
            if self._journal is not None:
                self._journal.append(entry.make_entry(payload, "history", start, [location]))
            page = _parse(source, payload)
        except AccountError as error:
            source.record_refusal(self._planner.now)
            if not self._has_other_source(source):
                await gate.report(error)
            raise
        except (FetchError, PayloadError) as error:
            await gate.report(error)
            raise
        await gate.report(None)
        return page

    def _has_other_source(self, source: HistorySource) -> bool:
        """Whether another history of the same account may still accept the key."""
        return any(other.budget is source.budget and not other.is_refused(self._planner.now) for other in self._planner.sources)

    async def _open_account(self, budget: AccountBudget) -> None:
        """Check once in a round whether an account may be called."""
        async with self._lock:
            if budget.name not in self._opened_accounts:
                self._opened_accounts.add(budget.name)
                with suppress(ProviderClosedError):  # the charge raises the error again
                    await budget.gate.open()

    def _note_requested(self, planned: PlannedRequest) -> None:
        for slot in planned.request.slots:
            self._answers.setdefault((planned.request.location.id, slot), set())

    def _note_answer(self, planned: PlannedRequest, slots: Iterable[datetime]) -> None:
        for slot in slots:
            self._answers.setdefault((planned.request.location.id, slot), set()).add(id(planned.source))

    def _is_refused(self, planned: PlannedRequest, slot: datetime) -> bool:
        return (id(planned.source), planned.request.location.id, slot) in self._refused

    async def _record_unfilled(self, location: DueLocation, slots: Collection[datetime]) -> None:
        """Record slots that were not filled: as empty if every history that may ever have them has answered, else as failed."""
        requested = [slot for slot in slots if (location.id, slot) in self._answers]
        empty = [slot for slot in requested if self._have_all_answered(location, slot)]
        failed = sorted(set(requested) - set(empty))
        if empty:
            self.result.closed += await asyncio.to_thread(missed_slots.record_empty, location.id, empty, self._planner.now)
        if failed:
            await asyncio.to_thread(missed_slots.record_failed, location.id, failed, self._planner.now)
        self.result.empty += len(empty)
        self.result.failed += len(failed)
        self.result.waiting += len(slots) - len(requested)

    def _have_all_answered(self, location: DueLocation, slot: datetime) -> bool:
        sources = [source for source in self._planner.sources if self._planner.may_ever_have(source, location, slot)]
        answers = self._answers[location.id, slot]
        return all(id(source) in answers or source.is_refused(self._planner.now) for source in sources)


def _is_about_slots(error: FetchError | PayloadError) -> bool:
    """Whether the provider has answered, and would give the same answer to the same request again."""
    return isinstance(error, PayloadError) or (isinstance(error, PermanentFetchError) and not isinstance(error, AccountError))


def _parse(source: HistorySource, payload: Payload) -> Page:
    try:
        return source.history.parse(payload)
    except (FetchError, PayloadError):
        raise
    except Exception as error:  # a bug of a parser must cost one answer, not the round
        kind = (source.provider.name, type(error).__name__)
        error_once(log, "the parser failed", kind, provider=source.provider.name, exc_info=error)
        reason = f"the parser failed on the body: {type(error).__name__}"
        raise PayloadError(source.provider.name, reason, payload.body) from None

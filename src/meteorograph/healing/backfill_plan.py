"""Finds the slots that ``meteorograph backfill`` fills, and estimates the calls that it needs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from ..config.settings import Settings
from ..errors import ConfigurationError
from ..locations.repository import get_location
from ..model import clock
from ..model.schedule import DEFAULT_SCHEDULE, EPOCH, Interval, parse_schedule
from ..model.states import OPEN_STATES, LocationState
from ..model.values import Coordinates, DueLocation
from ..providers.registry import PROVIDERS
from ..storage.archive.ranges import sealed_slots
from ..storage.engine import get_db_session
from ..storage.models import Location, Missed, Run, WeatherData
from . import missed_slots
from .budget import WindowBudget
from .planner import Planner, SlotsByLocation, history_providers, load_history_sources

#: Number of slots that are held in memory at once.
BATCH_SLOTS: Final = 500_000

#: The quota windows that a backfill does not wait for.
LONG_WINDOWS: Final = ("day", "month")


@dataclass(frozen=True, slots=True)
class BackfillRequest:
    """Which slots to fill.

    Args:
        location: Name of the only location; None for all.
        start: First instant; includes slots that the ledger does not know, from before a location was added or from times without
            a service. None for all missed slots.
        end: Instant after the last one.
        again: Whether to include slots that are closed as unrecoverable.
        untried_since: Leave out the missed slots that were requested at this instant or later; None for none.
    """

    location: str | None
    start: datetime | None
    end: datetime
    again: bool = False
    untried_since: datetime | None = None


@dataclass(slots=True)
class BackfillEstimate:
    """The slots to fill, and the calls that they need."""

    slots: int = 0
    locations: int = 0
    first: datetime | None = None
    last: datetime | None = None
    #: Account → calls that are needed, and the budget of each window.
    calls: dict[str, int] = field(default_factory=dict)
    budgets: dict[str, Sequence[WindowBudget]] = field(default_factory=dict)
    #: Slots that cannot be requested now: no history reaches them, no history has them yet, or no calls are left.
    out_of_reach: int = 0
    not_yet: int = 0
    without_calls: int = 0

    @property
    def is_complete(self) -> bool:
        """Whether all slots can be requested now."""
        return not (self.out_of_reach or self.not_yet or self.without_calls)


def require_history(settings: Settings) -> None:
    """Check that a provider with a history can be used.

    Raises:
        ConfigurationError: There is none.
    """
    if not history_providers(settings):
        names = ", ".join(name for name, provider in PROVIDERS.items() if provider.history)
        which = "backfill_providers" if settings.backfill_providers else "providers"
        raise ConfigurationError(
            f"METEOROGRAPH_{which.upper()}={','.join(getattr(settings, which))}: none of them has both a history and its key; "
            f"METEOROGRAPH_BACKFILL_PROVIDERS must name one or more of {names}"
        )


def find_missing_slots(settings: Settings, request: BackfillRequest) -> Iterator[list[tuple[DueLocation, list[datetime]]]]:
    """Yield locations with slots that have no row, in batches of about ``BATCH_SLOTS`` slots.

    Raises:
        LocationNotFoundError: No location has that name.
        StoreError: The database cannot be reached.
    """
    query = select(Location.id).where(Location.state != LocationState.UNSCHEDULED).order_by(Location.name)
    with get_db_session(read_only=True) as session:
        only = None if request.location is None else get_location(session, request.location).id
        ids = session.scalars(query).all() if only is None else [only]
    batch: list[tuple[DueLocation, list[datetime]]] = []
    for id_ in ids:
        with get_db_session(read_only=True) as session:  # a new session for each location sees rows that are stored meanwhile
            location = session.get(Location, id_)
            if location is None:
                continue
            slots = missed_slots.read_missed_slots(
                session,
                id_,
                request.start,
                request.end,
                include_closed=request.again,
                untried_since=request.untried_since,
            )
            slots += _unrecorded_slots(session, settings, location, request)
        if slots:
            batch.append((DueLocation(id_, location.name, Coordinates(location.latitude, location.longitude)), slots))
        if sum(len(slots) for _, slots in batch) >= BATCH_SLOTS:
            yield batch
            batch = []
    if batch:
        yield batch


def count_missing_slots(settings: Settings, request: BackfillRequest) -> int:
    """The number of slots that ``find_missing_slots`` yields."""
    return sum(len(slots) for batch in find_missing_slots(settings, request) for _, slots in batch)


def _unrecorded_slots(session: Session, settings: Settings, location: Location, request: BackfillRequest) -> list[datetime]:
    """Slots of the location's schedule that are neither stored nor missed nor being collected; only if the request has a start.

    They are from before the location was added, from a time without a service, or from a time when the location was paused.
    """
    if request.start is None or request.start >= request.end:
        return []
    schedule = parse_schedule(location.schedule) if location.schedule else Interval(settings.interval)
    recorded: set[datetime] = set()
    for model in (WeatherData, Missed):
        query = select(model.due_at).where(model.location_id == location.id)
        recorded.update(session.scalars(query.where(model.due_at >= request.start, model.due_at < request.end)))
    recorded.update(sealed_slots(session, location.id, request.start, request.end))
    running = select(Run.due_at).where(Run.schedule == (location.schedule or DEFAULT_SCHEDULE), Run.state.in_(OPEN_STATES))
    recorded.update(session.scalars(running.where(Run.due_at >= request.start, Run.due_at < request.end)))
    first = max(request.start - timedelta(microseconds=1), EPOCH)
    return [slot for slot in schedule.slots_between(first, request.end) if slot not in recorded]


def estimate_backfill(settings: Settings, request: BackfillRequest) -> BackfillEstimate:
    """Count the slots to fill and the calls that they need of each account.

    Raises:
        LocationNotFoundError: No location has that name.
        StoreError: The database cannot be reached.
    """
    estimate, now = BackfillEstimate(), clock.now()
    with get_db_session(read_only=True) as session:
        sources = load_history_sources(session, settings, now)
    for batch in find_missing_slots(settings, request):
        with get_db_session(read_only=True) as session:
            stations = missed_slots.read_stations(session, [location.id for location, _ in batch])
        _add_batch(estimate, Planner(sources, now, stations, LONG_WINDOWS), batch)
    estimate.budgets = {source.budget.name: source.budget.windows for source in sources if source.budget.name in estimate.calls}
    return estimate


def _add_batch(estimate: BackfillEstimate, planner: Planner, batch: SlotsByLocation) -> None:
    batch = list(batch)
    remaining = {(location.id, slot): location for location, slots in batch for slot in slots}
    estimate.slots += len(remaining)
    estimate.locations += len({location_id for location_id, _ in remaining})
    slots = [slot for _, slot in remaining]
    estimate.first = min([*slots, estimate.first or slots[0]])
    estimate.last = max([*slots, estimate.last or slots[0]])
    for planned in planner.plan_requests(batch, len(remaining)):
        name = planned.source.budget.name
        estimate.calls[name] = estimate.calls.get(name, 0) + planned.cost
        for slot in planned.request.slots:
            del remaining[planned.request.location.id, slot]
    for (_, slot), location in remaining.items():
        if not any(planner.may_ever_have(source, location, slot) for source in planner.sources):
            estimate.out_of_reach += 1
        elif not any(planner.may_have(source, location, slot) for source in planner.sources):
            estimate.not_yet += 1
        else:
            estimate.without_calls += 1

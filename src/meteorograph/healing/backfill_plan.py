"""Which slots ``meteorograph backfill`` is to fill, and what that costs."""

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
from ..model.schedule import EPOCH, Interval, parse_schedule
from ..model.states import LocationState
from ..model.values import Coordinates, DueLocation
from ..providers.registry import PROVIDERS
from ..storage.engine import get_db_session
from ..storage.models import Location, WeatherData
from . import missed_slots
from .budget import WindowBudget
from .planner import MissedByLocation, Planner, history_providers, history_sources

#: Slots that are held in memory at a time.
TOGETHER: Final = 500_000

#: The windows that are not waited for.
LONG: Final = ("day", "month")


@dataclass(frozen=True, slots=True)
class BackfillRequest:
    """Which slots to fill.

    Args:
        location: Name of the only location; None for all.
        start: From then on, also slots before a location was added; None for all that were missed.
        end: Up to then.
        again: Also those that are closed as unrecoverable.
    """

    location: str | None
    start: datetime | None
    end: datetime
    again: bool = False


@dataclass(slots=True)
class BackfillEstimate:
    """What there is to fill, and what it costs."""

    slots: int = 0
    locations: int = 0
    first: datetime | None = None
    last: datetime | None = None
    #: Account → calls, and what is left of each window.
    calls: dict[str, int] = field(default_factory=dict)
    left: dict[str, Sequence[WindowBudget]] = field(default_factory=dict)
    #: Slots that cannot be asked for now: no history reaches them, none has them yet, or there are no calls left.
    out_of_reach: int = 0
    not_yet: int = 0
    without_calls: int = 0

    @property
    def is_whole(self) -> bool:
        """Whether all can be asked for now."""
        return not (self.out_of_reach or self.not_yet or self.without_calls)


def require_history(settings: Settings) -> None:
    """Make sure that there is something to fill from.

    Raises:
        ConfigurationError: No provider with a history can be used.
    """
    if not history_providers(settings):
        known = ", ".join(name for name, provider in PROVIDERS.items() if provider.history)
        which = "backfill_providers" if settings.backfill_providers else "providers"
        raise ConfigurationError(
            f"METEOROGRAPH_{which.upper()}={','.join(getattr(settings, which))}: none of them has both a history and its key; "
            f"METEOROGRAPH_BACKFILL_PROVIDERS must name one or more of {known}"
        )


def missing_slots(settings: Settings, wanted: BackfillRequest) -> Iterator[list[tuple[DueLocation, list[datetime]]]]:
    """Locations with slots that have nothing stored, some at a time.

    Raises:
        LocationNotFoundError: No location has that name.
        StoreError: The database cannot be reached.
    """
    query = select(Location.id).where(Location.state != LocationState.UNSCHEDULED).order_by(Location.name)
    with get_db_session(read_only=True) as session:
        only = None if wanted.location is None else get_location(session, wanted.location).id
        ids = session.scalars(query).all() if only is None else [only]
    some: list[tuple[DueLocation, list[datetime]]] = []
    for id_ in ids:
        with get_db_session(read_only=True) as session:  # short ones: what is stored meanwhile is seen
            location = session.get(Location, id_)
            if location is None:
                continue
            slots = missed_slots.missed_slots(session, id_, wanted.start, wanted.end, closed=wanted.again)
            slots += _never_due(session, settings, location, wanted)
        if slots:
            some.append((DueLocation(id_, location.name, Coordinates(location.latitude, location.longitude)), slots))
        if sum(len(slots) for _, slots in some) >= TOGETHER:
            yield some
            some = []
    if some:
        yield some


def _never_due(session: Session, settings: Settings, location: Location, wanted: BackfillRequest) -> list[datetime]:
    """Slots of a location's schedule from before it was added that have no row; only those that were asked for by a start."""
    end = min(wanted.end, location.created_at)
    if wanted.start is None or wanted.start >= end:
        return []
    when = parse_schedule(location.schedule) if location.schedule else Interval(settings.interval)
    within = select(WeatherData.due_at).where(WeatherData.location_id == location.id)
    there = set(session.scalars(within.where(WeatherData.due_at >= wanted.start, WeatherData.due_at < end)))
    first = max(wanted.start - timedelta(microseconds=1), EPOCH)
    return [slot for slot in when.slots_between(first, end) if slot not in there]


def estimate_backfill(settings: Settings, wanted: BackfillRequest) -> BackfillEstimate:
    """What there is to fill, and what it costs: calls per account, against what is left of its windows.

    Raises:
        LocationNotFoundError: No location has that name.
        StoreError: The database cannot be reached.
    """
    made, now = BackfillEstimate(), clock.now()
    with get_db_session(read_only=True) as session:
        asked = history_sources(session, settings, now)
    for some in missing_slots(settings, wanted):
        with get_db_session(read_only=True) as session:
            stations = missed_slots.stations_by_location(session, [location.id for location, _ in some])
        _add(made, Planner(asked, now, stations, LONG), some)
    made.left = {past.budget.name: past.budget.windows for past in asked if past.budget.name in made.calls}
    return made


def _add(made: BackfillEstimate, planner: Planner, some: MissedByLocation) -> None:
    some = list(some)
    left = {(location.id, slot): location for location, slots in some for slot in slots}
    made.slots += len(left)
    made.locations += len({location_id for location_id, _ in left})
    slots = [slot for _, slot in left]
    made.first, made.last = min([*slots, made.first or slots[0]]), max([*slots, made.last or slots[0]])
    for job in planner.jobs(some, len(left)):
        name = job.past.budget.name
        made.calls[name] = made.calls.get(name, 0) + job.cost
        for slot in job.stretch.slots:
            del left[job.stretch.location.id, slot]
    for (_, slot), location in left.items():
        if not any(planner.will_know(past, location, slot) for past in planner.asked):
            made.out_of_reach += 1
        elif not any(planner.may_know(past, location, slot) for past in planner.asked):
            made.not_yet += 1
        else:
            made.without_calls += 1

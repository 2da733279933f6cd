"""The input of the call plan: the active locations by schedule."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from ..config.settings import Settings
from ..log_output import get_logger
from ..model.schedule import DEFAULT_SCHEDULE, Interval, parse_schedule
from ..model.states import LocationState
from ..providers.registry import PROVIDERS
from ..storage.engine import get_db_session
from ..storage.models import Location
from .call_plan import ScheduleGroup, make_plan

log = get_logger(__name__)


def log_plan(settings: Settings, now: datetime) -> None:
    """Log which quotas are too small for the active locations, and which terms of use apply."""
    for name in settings.named_providers:
        if (terms := PROVIDERS[name].terms) and settings.key(name) is not None:
            log.info("terms of use", provider=name, terms=terms)
    with get_db_session(read_only=True) as session:
        plan = make_plan(schedule_groups(session, settings), settings, now)
    for provider in plan.providers:
        if not provider.holds:
            log.warning(provider.sentence)


def schedule_groups(session: Session, settings: Settings) -> list[ScheduleGroup]:
    """The active locations by schedule, and the default place where the scheduler has not added it yet."""
    query = select(Location.schedule, func.count()).where(Location.state == LocationState.ACTIVE).group_by(Location.schedule)
    counts: dict[str | None, int] = dict(session.execute(query).all())
    if _will_add_default(session, settings):
        counts[None] = counts.get(None, 0) + 1
    return [
        ScheduleGroup(text or DEFAULT_SCHEDULE, parse_schedule(text) if text else Interval(settings.interval), number)
        for text, number in sorted(counts.items(), key=lambda item: item[0] or "")
    ]


def _will_add_default(session: Session, settings: Settings) -> bool:
    """Whether ``repository.ensure_default`` will add the place of the settings as a scheduled location."""
    scheduled = select(Location.state).where(Location.state != LocationState.UNSCHEDULED)
    if settings.default_is_chosen:
        point = settings.default_coordinates
        scheduled = scheduled.where(Location.latitude == point.latitude, Location.longitude == point.longitude)
    return session.scalar(scheduled.limit(1)) is None

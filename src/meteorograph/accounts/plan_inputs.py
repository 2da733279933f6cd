"""What there is to collect: the active locations by schedule, as the plan wants them."""

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
    """Say in the log which provider's quotas cannot hold what there is to collect, and what terms a user must know."""
    for name in settings.named_providers:
        if (terms := PROVIDERS[name].terms) and settings.key(name) is not None:
            log.info("terms of use", provider=name, terms=terms)
    with get_db_session(read_only=True) as session:
        made = make_plan(schedule_groups(session, settings), settings, now)
    for provider in made.providers:
        if not provider.holds:
            log.warning(provider.sentence)


def schedule_groups(session: Session, settings: Settings) -> list[ScheduleGroup]:
    """The active locations by schedule, with the default place where the scheduler is yet to add it."""
    query = select(Location.schedule, func.count()).where(Location.state == LocationState.ACTIVE).group_by(Location.schedule)
    found: dict[str | None, int] = dict(session.execute(query).all())
    if _default_is_to_come(session, settings):
        found[None] = found.get(None, 0) + 1
    return [
        ScheduleGroup(text or DEFAULT_SCHEDULE, parse_schedule(text) if text else Interval(settings.interval), number)
        for text, number in sorted(found.items(), key=lambda item: item[0] or "")
    ]


def _default_is_to_come(session: Session, settings: Settings) -> bool:
    """Whether ``locations.ensure_default`` will make the place of the settings a scheduled location."""
    known = select(Location.state).where(Location.state != LocationState.UNSCHEDULED)
    if settings.default_is_chosen:
        point = settings.default_coordinates
        known = known.where(Location.latitude == point.latitude, Location.longitude == point.longitude)
    return session.scalar(known.limit(1)) is None

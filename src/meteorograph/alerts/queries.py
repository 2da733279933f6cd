"""Rules, incidents and deliveries, as the web, the command line and the metrics show them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, NamedTuple

from sqlalchemy import Select, func, literal, select, tuple_
from sqlalchemy.orm import Session

from ..model.states import DeliveryState, IncidentState
from ..storage.models import AlertSubject, Delivery, Incident
from .deliveries import list_deliveries
from .rules import Rule, list_rules

INCIDENT_STATES: Final = tuple(state.value for state in IncidentState)


class IncidentCursor(NamedTuple):
    """Position of an incident in a list that is ordered by its opening, newest first, and then by id."""

    at: datetime
    id: int


@dataclass(frozen=True, slots=True)
class RuleView:
    """A rule, and how it stands."""

    rule: Rule
    #: Number of its open incidents, of subjects in them, and of subjects that fulfil its condition for too short a time so far.
    open_incidents: int
    firing: int
    waiting: int


@dataclass(frozen=True, slots=True)
class IncidentView:
    """An incident with its deliveries."""

    incident: Incident
    #: Subjects that still belong to it.
    firing: int
    deliveries: Sequence[Delivery]


def rule_views(session: Session) -> list[RuleView]:
    """All rules, by name."""
    is_open = (Incident.state == IncidentState.OPEN,)
    incidents = dict(_pairs(session, select(Incident.rule_id, func.count()).where(*is_open).group_by(Incident.rule_id)))
    has_incident = AlertSubject.incident_id.is_not(None)
    firing = dict(_pairs(session, select(AlertSubject.rule_id, func.count()).where(has_incident).group_by(AlertSubject.rule_id)))
    waiting = dict(
        _pairs(session, select(AlertSubject.rule_id, func.count()).where(~has_incident).group_by(AlertSubject.rule_id))
    )
    return [
        RuleView(rule, incidents.get(rule.id, 0), firing.get(rule.id, 0), waiting.get(rule.id, 0)) for rule in list_rules(session)
    ]


def _pairs(session: Session, query: Select[Any, Any]) -> list[tuple[Any, Any]]:
    return [(row[0], row[1]) for row in session.execute(query)]


def count_open_incidents(session: Session) -> int:
    """Number of incidents that are not over."""
    return session.scalar(select(func.count()).select_from(Incident).where(Incident.state == IncidentState.OPEN)) or 0


def list_incidents(
    session: Session,
    *,
    limit: int,
    state: str | None = None,
    rule: str | None = None,
    after: IncidentCursor | None = None,
) -> tuple[list[IncidentView], IncidentCursor | None]:
    """Incidents, newest first, with the cursor of the next page; None on the last page."""
    query = select(Incident)
    if state is not None:
        query = query.where(Incident.state == state)
    if rule is not None:
        query = query.where(Incident.rule == rule)
    if after is not None:
        place = tuple_(literal(after.at, Incident.opened_at.type), after.id)
        query = query.where(tuple_(Incident.opened_at, Incident.id) < place)
    found = session.scalars(query.order_by(Incident.opened_at.desc(), Incident.id.desc()).limit(limit + 1)).all()
    page = found[:limit]
    ids = [incident.id for incident in page]
    deliveries = list_deliveries(session, ids)
    mine = AlertSubject.incident_id.in_(ids)
    firing = dict(_pairs(session, select(AlertSubject.incident_id, func.count()).where(mine).group_by(AlertSubject.incident_id)))
    views = [IncidentView(one, firing.get(one.id, 0), deliveries.get(one.id, ())) for one in page]
    return views, IncidentCursor(page[-1].opened_at, page[-1].id) if len(found) > limit else None


@dataclass(frozen=True, slots=True)
class ChannelView:
    """How a channel stands."""

    channel: str
    waiting: int
    last_sent_at: datetime | None
    error: str | None


def channel_views(session: Session, channels: Sequence[str]) -> list[ChannelView]:
    """The channels of the settings, and those for which messages wait."""
    waiting = dict(_pairs(session, _by_channel(func.count(), DeliveryState.WAITING)))
    sent = dict(_pairs(session, _by_channel(func.max(Delivery.ended_at), DeliveryState.SENT)))
    failed = select(Delivery.channel, Delivery.error).where(Delivery.state == DeliveryState.WAITING, Delivery.error.is_not(None))
    errors = {row[0]: row[1] for row in session.execute(failed.order_by(Delivery.id))}
    names = [*channels, *sorted(waiting.keys() - set(channels))]
    return [ChannelView(name, waiting.get(name, 0), sent.get(name), errors.get(name)) for name in names]


def _by_channel(value: Any, state: DeliveryState) -> Select[Any, Any]:
    return select(Delivery.channel, value).where(Delivery.state == state).group_by(Delivery.channel)

"""The deliveries: stored with the change that they tell of, then taken by one process at a time and sent.

A delivery is taken with a lease and a fencing token, so that one process sends it, and tried until its receiver accepts it. A
process that dies between the acceptance and its record leaves a delivery that is sent once more, with the same id.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import ColumnElement, CursorResult, and_, delete, exists, func, or_, select, update
from sqlalchemy.orm import Session, aliased

from ..model.states import DeliveryState
from ..storage.engine import get_db_session
from ..storage.lease_clock import lease_offset
from ..storage.models import Delivery
from ..storage.process import process_name
from ..storage.upsert import insert_or_ignore
from .messages import Message

#: How long a process may take to send a message; longer than an attempt takes.
LEASE_LENGTH: Final = timedelta(seconds=60)

#: Pauses after a failure, doubled each time.
_FIRST_PAUSE: Final = timedelta(seconds=15)
_LONGEST_PAUSE: Final = timedelta(minutes=15)
#: A receiver may ask for a longer pause, up to this one.
_MAX_ASKED_PAUSE: Final = timedelta(hours=6)

#: How long a message is tried, and how long the deliveries that ended are kept: those of incidents, and those of runs.
GIVE_UP_AFTER: Final = timedelta(days=7)
KEPT: Final = timedelta(days=90)
_RUNS_KEPT: Final = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class TakenDelivery:
    """A delivery that this process sends now."""

    id: int
    token: int
    channel: str
    #: The id of the message, which each attempt and each channel has in common.
    message_id: str
    title: str
    body: str
    created_at: datetime
    #: Number of this attempt.
    attempt: int


def put(
    session: Session,
    message: Message,
    channels: Iterable[str],
    now: datetime,
    *,
    webhooks: Collection[str] = (),
    due_at: datetime | None = None,
    rule_id: int | None = None,
    incident_id: int | None = None,
) -> None:
    """Add a message for each channel to the session, once: a second message with the same id changes nothing."""
    rows = [
        {
            "key": f"{message.id}/{channel}",
            "channel": channel,
            "rule_id": rule_id,
            "incident_id": incident_id,
            "title": message.title,
            "body": message.payload.decode() if channel in webhooks else message.body,
            "state": DeliveryState.WAITING,
            "created_at": now,
            "due_at": due_at or now,
        }
        for channel in channels
    ]
    if rows:
        insert_or_ignore(session, Delivery, rows)


def waiting_channels(session: Session) -> list[str]:
    """The channels for which messages wait."""
    waiting = select(Delivery.channel).where(Delivery.state == DeliveryState.WAITING)
    return sorted(session.scalars(waiting.distinct()))


def take_next(channel: str, now: datetime, count: int = 1) -> list[TakenDelivery]:
    """Take the next messages of a channel: those that failed least often first, and those of one rule in their order.

    Args:
        channel: The channel.
        now: The current time (aware UTC).
        count: How many messages to take at most: more than one for a digest.
    """
    with get_db_session() as session:
        lease_now = now + lease_offset(session)
        earlier = aliased(Delivery)
        is_behind = exists().where(
            earlier.channel == channel,
            earlier.rule_id == Delivery.rule_id,
            earlier.state == DeliveryState.WAITING,
            earlier.id < Delivery.id,
        )
        is_free = or_(Delivery.lease_expires_at.is_(None), Delivery.lease_expires_at <= lease_now)
        # An instant far ahead comes from a clock that was wrong; quiet hours last less than a day.
        is_due = or_(Delivery.due_at <= now, Delivery.due_at > now + timedelta(days=1))
        ready = and_(Delivery.channel == channel, Delivery.state == DeliveryState.WAITING, is_free, is_due)
        query = select(Delivery).where(ready, *([~is_behind] if count == 1 else []))
        order = (Delivery.attempts, Delivery.id) if count == 1 else (Delivery.id,)
        found = session.scalars(query.order_by(*order).limit(count)).all()
        return [taken for one in found if (taken := _take(session, one, ready, lease_now)) is not None]


def _take(session: Session, found: Delivery, ready: ColumnElement[bool], lease_now: datetime) -> TakenDelivery | None:
    mine = update(Delivery).where(Delivery.id == found.id, Delivery.token == found.token, ready)
    values = {
        "holder": process_name(),
        "lease_expires_at": lease_now + LEASE_LENGTH,
        "token": found.token + 1,
        "attempts": found.attempts + 1,
    }
    if not _update(session, mine.values(**values)):
        return None
    message_id = found.key.removesuffix(f"/{found.channel}")
    return TakenDelivery(
        found.id, found.token + 1, found.channel, message_id, found.title, found.body, found.created_at, found.attempts + 1
    )


def record_sent(taken: Sequence[TakenDelivery], now: datetime) -> bool:
    """Record that the receiver has accepted messages; False if another process has taken all of them meanwhile."""
    with get_db_session() as session:
        values = {"state": DeliveryState.SENT, "ended_at": now, "holder": None, "lease_expires_at": None, "error": None}
        recorded = [_update(session, _held(one).values(**values)) for one in taken]
        return any(recorded)


def record_failure(taken: TakenDelivery, reason: str, now: datetime, wait: timedelta | None) -> bool:
    """Record that an attempt has failed. The other messages of the channel that wait are not tried before it either.

    Returns:
        Whether the message is given up.
    """
    with get_db_session() as session:
        is_over = now - taken.created_at >= GIVE_UP_AFTER
        failed = select(func.sum(Delivery.attempts)).where(
            Delivery.channel == taken.channel, Delivery.state == DeliveryState.WAITING
        )
        retry_at = now + _pause(session.scalar(failed) or 1, wait)
        values: dict[str, Any] = {"holder": None, "lease_expires_at": None, "error": reason[:500], "due_at": retry_at}
        if is_over:
            values |= {"state": DeliveryState.GIVEN_UP, "ended_at": now}
        if not _update(session, _held(taken).values(**values)):
            return False
        others = and_(Delivery.channel == taken.channel, Delivery.state == DeliveryState.WAITING, Delivery.due_at < retry_at)
        _update(session, update(Delivery).where(others).values(due_at=retry_at))
        return is_over


def _pause(failures: int, wait: timedelta | None) -> timedelta:
    pause: timedelta = min(_FIRST_PAUSE * 2 ** min(failures - 1, 10), _LONGEST_PAUSE)
    return pause if wait is None else max(pause, min(wait, _MAX_ASKED_PAUSE))


def count_messages(session: Session, channel: str, since: datetime) -> int:
    """Number of messages that a channel has taken since an instant; those of a digest were taken at the same moment."""
    sent = (Delivery.channel == channel, Delivery.state == DeliveryState.SENT, Delivery.ended_at > since)
    return session.scalar(select(func.count(Delivery.ended_at.distinct())).where(*sent)) or 0


def delete_old(session: Session, now: datetime) -> None:
    """Delete the deliveries that ended long ago."""
    is_old = or_(Delivery.created_at < now - KEPT, and_(Delivery.incident_id.is_(None), Delivery.created_at < now - _RUNS_KEPT))
    session.execute(delete(Delivery).where(Delivery.state != DeliveryState.WAITING, is_old))


@dataclass(frozen=True, slots=True)
class FailingChannel:
    """A channel whose last attempt failed."""

    channel: str
    waiting: int
    since: datetime
    error: str


def failing_channels(session: Session) -> list[FailingChannel]:
    """The channels that do not accept their messages, and why."""
    waiting = (Delivery.state == DeliveryState.WAITING,)
    newest = select(Delivery.channel, Delivery.error).where(*waiting, Delivery.error.is_not(None)).order_by(Delivery.id)
    errors = {channel: error or "" for channel, error in session.execute(newest)}
    columns = (Delivery.channel, func.count(), func.min(Delivery.created_at))
    counts = session.execute(select(*columns).where(*waiting).group_by(Delivery.channel).order_by(Delivery.channel))
    return [
        FailingChannel(channel, waiting_count, since, errors[channel])
        for channel, waiting_count, since in counts
        if channel in errors
    ]


def _held(taken: TakenDelivery) -> Any:
    return update(Delivery).where(Delivery.id == taken.id, Delivery.token == taken.token, Delivery.state == DeliveryState.WAITING)


def _update(session: Session, statement: Any) -> bool:
    result = session.execute(statement, execution_options={"synchronize_session": False})
    assert isinstance(result, CursorResult)
    return result.rowcount > 0


def list_deliveries(session: Session, incident_ids: Sequence[int]) -> dict[int, list[Delivery]]:
    """The deliveries of incidents, oldest first."""
    by_incident: dict[int, list[Delivery]] = {}
    for delivery in session.scalars(select(Delivery).where(Delivery.incident_id.in_(incident_ids)).order_by(Delivery.id)):
        by_incident.setdefault(delivery.incident_id or 0, []).append(delivery)
    return by_incident

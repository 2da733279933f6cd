"""The geocoder's answers, kept for good, and one request a second of all processes that share the database."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from .lease_clock import lease_offset
from .models import GeocoderAnswer, Lease
from .upsert import insert_or_ignore, insert_or_replace

#: Name of the lease whose end is the time of the next request.
_LEASE: Final = "geocoder"

#: Time between two requests.
PACE: Final = timedelta(seconds=1)


def read_answer(session: Session, url: str) -> str | None:
    """The body of an earlier answer; None without one."""
    return session.scalar(select(GeocoderAnswer.body).where(GeocoderAnswer.url == url))


def store_answer(session: Session, url: str, body: str, now: datetime) -> None:
    """Keep the body of an answer."""
    insert_or_replace(session, GeocoderAnswer, [{"url": url, "body": body, "fetched_at": now}])


def take_turn(session: Session, now: datetime) -> timedelta:
    """Take the next free second for a request; gives how long it is until then."""
    now += lease_offset(session)
    insert_or_ignore(session, Lease, [{"name": _LEASE, "holder": None, "expires_at": None}])
    free_at = session.scalar(select(Lease.expires_at).where(Lease.name == _LEASE).with_for_update())
    turn = now if free_at is None else max(now, min(free_at, now + timedelta(minutes=1)))  # a clock that was ahead blocks nobody
    session.execute(update(Lease).where(Lease.name == _LEASE).values(expires_at=turn + PACE))
    return turn - now

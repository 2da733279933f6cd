"""Collect one place on demand: the whole walk, once."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from ..config.loading import get_settings
from ..config.settings import Settings
from ..errors import ProviderClosedError, StoreError
from ..locations import repository
from ..log_output import get_logger
from ..model import clock
from ..model.values import Coordinates, DueLocation, Observation
from ..storage.counters import COUNTERS
from ..storage.engine import get_db_session, init_db
from ..storage.models import Location, WeatherData
from ..storage.observations import store, to_row
from .event_loop import run_async
from .http import make_fetcher
from .observation import observe
from .run_context import make_context, require_key

log = get_logger(__name__)


def ingest_data(lat: float | None = None, lon: float | None = None) -> dict[str, Any]:
    """Collect the weather at a point now and store it: at the location within 100 m, or at a new unscheduled one.

    Args:
        lat: Latitude [degree north, -90 to 90]; without both, the default place of the settings.
        lon: Longitude [degree east, -180 to 180].

    Returns:
        What was stored: ``location``, ``latitude``, ``longitude``, ``timestamp`` (what the values are true of; ISO 8601,
        UTC), every column of ``WeatherData`` under its name, in the units of ``quantities.py``; ``flags`` with those of the
        checks.

    Raises:
        MissingAPIKeyError: No usable key is configured (a ``ValueError``).
        ValueError: The coordinates are wrong; says which, what it was and what is allowed.
        FetchError: The provider did not answer, or refused; ``QuotaExceededError`` when its quota is used up.
        PayloadError: The provider's answer cannot be read.
        StoreError: The database did not take the row.
    """
    settings = get_settings()
    require_key(settings)  # a missing key is reported before a wrong coordinate
    point = settings.default_coordinates if lat is None and lon is None else repository.parse_coordinates(lat, lon)
    init_db()
    with get_db_session(read_only=True) as session:
        known = repository.find_at(session, point)
    if known is not None:
        return _ingest(settings, Coordinates(known.latitude, known.longitude), lambda _: known)
    return _ingest(settings, point, lambda session: repository.find_or_create_at(session, point, settings, clock.now()))


def ingest_location(name: str) -> dict[str, Any]:
    """Collect the weather of a location now and store it; see ``ingest_data``.

    Raises:
        LocationNotFoundError: No location has that name.
    """
    settings = get_settings()
    init_db()
    with get_db_session(read_only=True) as session:
        location = repository.get_location(session, name)
    return _ingest(settings, Coordinates(location.latitude, location.longitude), lambda _: location)


def _ingest(settings: Settings, point: Coordinates, find: Callable[[Session], Location]) -> dict[str, Any]:
    require_key(settings)
    init_db()
    due_at = clock.now().replace(microsecond=0)
    try:
        observation = run_async(_observe_once(settings, point, due_at))
    except ProviderClosedError as error:
        log.error("provider failed", provider=error.provider, point=str(point), reason=str(error))  # noqa: TRY400  # says all
        raise
    finally:
        with suppress(StoreError):  # they are recorded with the next ones
            COUNTERS.record()
    with get_db_session() as session:
        location = find(session)
    row = to_row(location.id, due_at, observation)
    refused = store([row])
    if refused:
        raise StoreError(f"the database refused the row: {refused[0][1]}")
    with suppress(StoreError):
        COUNTERS.record()
    with get_db_session(read_only=True) as session:
        row["flags"] = session.scalar(select(WeatherData.flags).filter_by(location_id=location.id, due_at=due_at))
    log.info("stored", location=location.name, provider=observation.provider)
    values = {name: value.isoformat() if hasattr(value, "isoformat") else value for name, value in row.items()}
    return {
        "location": location.name,
        "latitude": location.latitude,
        "longitude": location.longitude,
        "timestamp": values["observed_at"] or values["fetched_at"],
        **values,
    }


async def _observe_once(settings: Settings, point: Coordinates, due_at: datetime) -> Observation:
    context = make_context(settings, due_at)
    try:
        for access in context.accesses():
            closed = await access.gate.open()
            if closed is not None and not closed.by_quota:  # further calls would not shorten the wait for a quota
                access.gate.reopen()  # the caller may want to know whether the provider answers again
        async with make_fetcher(settings, connections=1) as fetcher:
            (outcome,) = await observe(fetcher, context, [DueLocation(0, str(point), point)])
    finally:
        await context.close_gates()
    if isinstance(outcome, Observation):
        return outcome
    raise outcome

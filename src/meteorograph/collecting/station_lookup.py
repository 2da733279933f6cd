"""Which station of a provider answers for a location: asked for once, then known."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from sqlalchemy import select

from ..errors import FetchError, PayloadError, PermanentFetchError
from ..log_output import get_logger
from ..model import clock
from ..model.values import FAR_OFF_KM, DueLocation, Payload, Request, RequestPoint, Station
from ..providers.base import Stations
from ..storage.engine import get_db_session
from ..storage.models import LocationStation
from ..storage.upsert import insert_or_replace
from .run_context import ProviderAccess

log = get_logger(__name__)

#: Requests that it may take to find one.
MAX_REQUESTS: Final = 4

Get = Callable[[Request, DueLocation], Awaitable[Payload]]


async def find_stations(
    points: Sequence[DueLocation], source: ProviderAccess, get: Get
) -> list[RequestPoint | FetchError | PayloadError]:
    """Each point with its station; or why it has none."""
    name = source.provider.name
    known = await asyncio.to_thread(_known, name, [point.id for point in points])
    found: list[RequestPoint | FetchError | PayloadError] = []
    new: list[tuple[DueLocation, Station]] = []
    for point in points:
        station = known.get(point.id)
        if station is None:
            try:
                told = await _look_up(point, source, get)
            except (FetchError, PayloadError) as error:
                found.append(error)
                continue
            station = told.id
            new.append((point, told))
        found.append(RequestPoint(point.coordinates.latitude, point.coordinates.longitude, station))
    await asyncio.to_thread(_save, name, [(point, station) for point, station in new if point.id])
    return found


async def _look_up(point: DueLocation, source: ProviderAccess, get: Get) -> Station:
    stations = source.provider.stations
    assert isinstance(stations, Stations)
    request = stations.request(source.base_url, point.coordinates)
    for _ in range(MAX_REQUESTS):
        payload = await get(request, point)
        try:
            told = stations.parse(payload)
        except (FetchError, PayloadError) as error:
            await source.gate.report(error)
            raise
        await source.gate.report(None)
        if isinstance(told, Station):
            return told
        request = told
    raise PermanentFetchError(source.provider.name, f"no station for {point.coordinates} after {MAX_REQUESTS} requests")


def _known(provider: str, ids: Sequence[int]) -> dict[int, str]:
    query = select(LocationStation.location_id, LocationStation.station)
    with get_db_session(read_only=True) as session:
        mine = query.where(LocationStation.provider == provider, LocationStation.location_id.in_(ids))
        return dict(session.execute(mine).all())


def _save(provider: str, found: Sequence[tuple[DueLocation, Station]]) -> None:
    rows = []
    for point, station in found:
        where = station.place.coordinates
        distance = point.coordinates.distance_km(where)
        if distance > FAR_OFF_KM:
            told = {"location": point.name, "station": station.id, "distance_km": round(distance, 1)}
            log.warning("the nearest station is far off", provider=provider, **told)
        rows.append(
            {
                "location_id": point.id,
                "provider": provider,
                "station": station.id,
                "name": station.place.name,
                "latitude": where.latitude,
                "longitude": where.longitude,
                "distance_km": round(distance, 3),
                "found_at": clock.now(),
            }
        )
    if rows:
        with get_db_session() as session:
            insert_or_replace(session, LocationStation, rows)

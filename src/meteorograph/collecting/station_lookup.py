"""Find the station of a provider that answers for a location: looked up once, then kept in the database."""

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

#: Requests that one lookup may take.
MAX_REQUESTS: Final = 4

#: Fetches an answer for a location.
Fetch = Callable[[Request, DueLocation], Awaitable[Payload]]


async def find_stations(
    locations: Sequence[DueLocation], access: ProviderAccess, fetch: Fetch
) -> list[RequestPoint | FetchError | PayloadError]:
    """The point with its station for each location; or why it has none."""
    provider = access.provider.name
    stations = await asyncio.to_thread(_load, provider, [location.id for location in locations])
    points: list[RequestPoint | FetchError | PayloadError] = []
    new: list[tuple[DueLocation, Station]] = []
    for location in locations:
        station_id = stations.get(location.id)
        if station_id is None:
            try:
                station = await _look_up(location, access, fetch)
            except (FetchError, PayloadError) as error:
                points.append(error)
                continue
            station_id = station.id
            new.append((location, station))
        points.append(RequestPoint(location.coordinates.latitude, location.coordinates.longitude, station_id))
    await asyncio.to_thread(_save, provider, [(location, station) for location, station in new if location.id])
    return points


async def _look_up(location: DueLocation, access: ProviderAccess, fetch: Fetch) -> Station:
    stations = access.provider.stations
    assert isinstance(stations, Stations)
    request = stations.request(access.base_url, location.coordinates)
    for _ in range(MAX_REQUESTS):
        payload = await fetch(request, location)
        try:
            step = stations.parse(payload)
        except (FetchError, PayloadError) as error:
            await access.gate.report(error)
            raise
        await access.gate.report(None)
        if isinstance(step, Station):
            return step
        if not isinstance(step, Request):
            return step[0]
        request = step
    raise PermanentFetchError(access.provider.name, f"no station for {location.coordinates} after {MAX_REQUESTS} requests")


def _load(provider: str, ids: Sequence[int]) -> dict[int, str]:
    query = select(LocationStation.location_id, LocationStation.station)
    with get_db_session(read_only=True) as session:
        mine = query.where(LocationStation.provider == provider, LocationStation.location_id.in_(ids))
        return dict(session.execute(mine).all())


def _save(provider: str, stations: Sequence[tuple[DueLocation, Station]]) -> None:
    rows = []
    for location, station in stations:
        coordinates = station.place.coordinates
        distance = location.coordinates.distance_km(coordinates)
        if distance > FAR_OFF_KM:
            fields = {"location": location.name, "station": station.id, "distance_km": round(distance, 1)}
            log.warning("the nearest station is far off", provider=provider, **fields)
        rows.append(
            {
                "location_id": location.id,
                "provider": provider,
                "station": station.id,
                "name": station.place.name,
                "latitude": coordinates.latitude,
                "longitude": coordinates.longitude,
                "distance_km": round(distance, 3),
                "found_at": clock.now(),
            }
        )
    if rows:
        with get_db_session() as session:
            insert_or_replace(session, LocationStation, rows)

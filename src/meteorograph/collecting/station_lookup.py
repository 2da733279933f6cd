"""Find the stations of a provider that answers by station: looked up, then kept in the database."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

from sqlalchemy import select

from ..errors import FetchError, PayloadError, PermanentFetchError
from ..log_output import get_logger
from ..log_repeats import warn_once
from ..model import clock
from ..model.values import FAR_OFF_KM, AnsweredPlace, Coordinates, DueLocation, Payload, Request, Station
from ..providers.base import Stations
from ..redaction import redact
from ..storage.engine import get_db_session
from ..storage.models import LocationStation
from ..storage.upsert import insert_or_replace
from .run_context import ProviderAccess
from .station_choice import StationChoice

log = get_logger(__name__)

#: Requests that one lookup may take.
MAX_REQUESTS: Final = 4

#: Fetches an answer for a location.
Fetch = Callable[[Request, DueLocation], Awaitable[Payload]]


async def choose_stations(
    locations: Sequence[DueLocation], access: ProviderAccess, fetch: Fetch
) -> list[StationChoice | FetchError | PayloadError]:
    """The stations of each location and the one to request; or why it has none."""
    stored = await asyncio.to_thread(_load, access.provider.name, locations)
    choices: list[StationChoice | FetchError | PayloadError] = []
    for location in locations:
        choice = stored.get(location.id) or StationChoice(location, [], clock.now())
        try:
            await renew_stations(choice, access, fetch)
            choices.append(choice)
        except (FetchError, PayloadError) as error:
            choices.append(error)
    return choices


async def renew_stations(choice: StationChoice, access: ProviderAccess, fetch: Fetch) -> None:
    """Look up the stations of a location, if none were found yet, none is left, or the nearest one may give data again.

    Raises:
        FetchError, PayloadError: No station for the location, or the lookup failed. A known station is requested further.
    """
    if not choice.is_due_for_lookup(clock.now()):
        if choice.station is None:
            choice.start_over()
        return
    fields: dict[str, Any] = {"provider": access.provider.name, "location": choice.location.name}
    kind = (access.provider.name,)
    known = [station.id for station in choice.stations]
    try:
        stations = await _look_up(choice.location, access, fetch)
    except (FetchError, PayloadError) as error:
        if not known:
            raise
        warn_once(log, "the stations could not be looked up again", kind, stations=known, reason=str(error), **fields)
        choice.start_over()
        return
    choice.replace_stations(stations, clock.now())
    station = choice.station
    assert station is not None
    distance = choice.location.coordinates.distance_km(station.place.coordinates)
    fields |= {"station": station.id, "distance_km": round(distance, 1)}
    if known:
        warn_once(log, "the stations were looked up again, as the known ones gave no data", kind, stations=known, **fields)
    elif distance > FAR_OFF_KM:
        warn_once(log, "the nearest station is far off", kind, **fields)


def note_answer(choice: StationChoice, outcome: Any, access: ProviderAccess) -> bool:
    """Take note of what a station gave; returns whether another station may be requested at once."""
    before = choice.station
    is_retried = choice.note_answer(outcome, access.provider.max_age)
    if before is not None and before is not choice.station:
        fields = {"location": choice.location.name, "station": before.id, "next": choice.station and choice.station.id}
        kind = (access.provider.name,)
        warn_once(log, "a station gives no data, the next one is requested", kind, provider=access.provider.name, **fields)
    return is_retried


async def save_choices(choices: Sequence[StationChoice], provider: str) -> None:
    """Keep the choices that have changed, of locations that are in the database."""
    changed = [choice for choice in choices if choice.is_changed and choice.location.id]
    if changed:
        await asyncio.to_thread(_save, provider, changed)


async def _look_up(location: DueLocation, access: ProviderAccess, fetch: Fetch) -> list[Station]:
    stations = access.provider.stations
    assert isinstance(stations, Stations)
    request = stations.request(access.base_url, location.coordinates)
    for _ in range(MAX_REQUESTS):
        payload = await fetch(request, location)
        try:
            step = stations.parse(payload)
        except (FetchError, PayloadError) as error:
            await access.gate.report(error)
            if type(error) is PermanentFetchError:
                name = access.provider.name
                reason = f"no station for the point {location.coordinates}: {str(error).removeprefix(f'{name}: ')}"
                raise PermanentFetchError(name, reason, status=error.status) from None
            raise
        await access.gate.report(None)
        if isinstance(step, Station):
            return [step]
        if not isinstance(step, Request):
            return list(step)
        request = step
    raise PermanentFetchError(access.provider.name, f"no station for {location.coordinates} after {MAX_REQUESTS} requests")


def _load(provider: str, locations: Sequence[DueLocation]) -> dict[int, StationChoice]:
    by_id = {location.id: location for location in locations}
    with get_db_session(read_only=True) as session:
        query = select(LocationStation).where(LocationStation.provider == provider, LocationStation.location_id.in_(by_id))
        return {row.location_id: _choice(row, by_id[row.location_id]) for row in session.scalars(query)}


def _choice(row: LocationStation, location: DueLocation) -> StationChoice:
    own = {"id": row.station, "name": row.name, "latitude": row.latitude, "longitude": row.longitude}
    stations = [
        Station(one["id"], AnsweredPlace(Coordinates(one["latitude"], one["longitude"]), one["name"]))
        for one in row.candidates or [own]
    ]
    return StationChoice(location, stations, row.found_at, row.rank, row.failures)


def _save(provider: str, choices: Sequence[StationChoice]) -> None:
    rows = []
    for choice in choices:
        # A row always has a station: the last one, if none is left.
        station = choice.station or choice.stations[-1]
        where = station.place.coordinates
        rows.append(
            {
                "location_id": choice.location.id,
                "provider": provider,
                "station": station.id,
                "name": station.place.name and redact(station.place.name),
                "latitude": where.latitude,
                "longitude": where.longitude,
                "distance_km": round(choice.location.coordinates.distance_km(where), 3),
                "found_at": choice.found_at,
                "candidates": [_to_json(one) for one in choice.stations],
                "rank": choice.rank,
                "failures": choice.failures,
            }
        )
    with get_db_session() as session:
        insert_or_replace(session, LocationStation, rows)


def _to_json(station: Station) -> dict[str, Any]:
    where = station.place.coordinates
    return {"id": station.id, "name": station.place.name, "latitude": where.latitude, "longitude": where.longitude}

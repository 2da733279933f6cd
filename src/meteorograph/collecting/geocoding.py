"""Find the places that have a name, by Open-Meteo's geocoder.

Its answers are kept for good, and all processes together ask once a second at most, as the policies of geocoders demand.
"""

from __future__ import annotations

import time
from datetime import timedelta
from pathlib import Path
from typing import Final
from urllib.parse import urlencode

from ..config.settings import Settings
from ..errors import MeteorographError, RetryableFetchError
from ..log_output import get_logger
from ..model import clock
from ..model.values import NamedPlace, Payload, Request
from ..providers.open_meteo import geocoding
from ..providers.open_meteo.common import NAME
from ..storage.engine import database_url, get_db_session, init_db
from ..storage.geocoder import PACE, read_answer, store_answer, take_turn
from .event_loop import run_async
from .http import make_fetcher

log = get_logger(__name__)

#: Longest time to wait for a turn.
_MAX_WAIT: Final = timedelta(seconds=10)


def find_places(settings: Settings, name: str) -> list[NamedPlace]:
    """The places that have a name, the largest first: as an earlier answer has them, or by one request, which no quota counts.

    Raises:
        FetchError: The geocoder cannot be reached, or refuses, or too many searches wait for their turn.
        PayloadError: Its answer cannot be read.
    """
    name = " ".join(name.split())
    request = geocoding.request(settings.geocoding_base_url, name)
    key = f"{request.url}?{urlencode({**request.params, 'name': name.casefold()})}"[:1000]
    kept, wait = _read_kept(key)
    if kept is not None:
        return geocoding.parse(Payload(request, 200, kept.encode(), clock.now()))
    if wait > _MAX_WAIT:
        raise RetryableFetchError(NAME, "too many places are looked up at this moment", wait=wait)
    time.sleep(wait.total_seconds())
    payload = run_async(_fetch(settings, request))
    places = geocoding.parse(payload)
    if places:
        _keep(key, payload)
    return places


async def _fetch(settings: Settings, request: Request) -> Payload:
    async with make_fetcher(settings, connections=1) as fetcher:
        return await fetcher.fetch(request)


def _has_database() -> bool:
    """Whether there is a database: ``init`` looks places up before there is one, and makes none."""
    url = database_url()
    return url.get_backend_name() != "sqlite" or Path(url.database or "").is_file()


def _read_kept(key: str) -> tuple[str | None, timedelta]:
    """An earlier answer, or how long to wait for the next request."""
    if not _has_database():
        return None, PACE
    try:
        init_db()
        with get_db_session() as session:
            kept = read_answer(session, key)
            return kept, timedelta(0) if kept is not None else take_turn(session, clock.now())
    except MeteorographError as error:
        log.warning("places are looked up without the database", reason=str(error))
        return None, PACE


def _keep(key: str, payload: Payload) -> None:
    if not _has_database():
        return
    try:
        with get_db_session() as session:
            store_answer(session, key, payload.body.decode(), payload.fetched_at)
    except (MeteorographError, UnicodeDecodeError) as error:
        log.warning("the places that were found could not be kept", reason=str(error))

"""Find the places that have a name, by Open-Meteo's geocoder."""

from __future__ import annotations

from ..config.settings import Settings
from ..model.values import NamedPlace
from ..providers.open_meteo import geocoding
from .event_loop import run_async
from .http import make_fetcher


def find_places(settings: Settings, name: str) -> list[NamedPlace]:
    """The places that have a name, the largest first; one request, which no quota counts.

    Raises:
        FetchError: The geocoder cannot be reached, or refuses.
        PayloadError: Its answer cannot be read.
    """

    async def find() -> list[NamedPlace]:
        async with make_fetcher(settings, connections=1) as fetcher:
            return geocoding.parse(await fetcher.fetch(geocoding.request(settings.geocoding_base_url, name)))

    return run_async(find())

"""Real clients of weather services, which get the simulator instead; runs in ``.venv-clients`` and prints what they read as JSON.

Each client asks its own host. Below the client, the host of each request is replaced by the simulator's.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable, Coroutine
from dataclasses import asdict
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import requests
from yarl import URL

SIMULATOR = sys.argv[1]
LATITUDE, LONGITUDE = 40.0, -75.0
KEY = "demo"


def _to_simulator(address: str) -> str:
    parts = urlsplit(address)
    return SIMULATOR + parts.path + (f"?{parts.query}" if parts.query else "")


def _redirect_aiohttp() -> None:
    ask = aiohttp.ClientSession._request

    async def request(self: aiohttp.ClientSession, method: str, url: Any, **options: Any) -> Any:
        return await ask(self, method, URL(_to_simulator(str(url)), encoded=True), **options)

    aiohttp.ClientSession._request = request


def _redirect_requests() -> None:
    send = requests.Session.send

    def redirected(self: requests.Session, request: requests.PreparedRequest, **options: Any) -> requests.Response:
        request.url = _to_simulator(request.url or "")
        return send(self, request, **options)

    requests.Session.send = redirected  # type: ignore[method-assign]


def pyowm() -> Any:
    """Current weather and forecast by coordinates, One Call, and a wrong key."""
    from pyowm import OWM
    from pyowm.commons.exceptions import UnauthorizedError

    manager = OWM(KEY).weather_manager()
    weather = manager.weather_at_coords(LATITUDE, LONGITUDE).weather
    forecast = manager.forecast_at_coords(LATITUDE, LONGITUDE, "3h").forecast
    report = manager.one_call(LATITUDE, LONGITUDE, units="metric")
    try:
        OWM("wrong").weather_manager().weather_at_coords(LATITUDE, LONGITUDE)
        refusal = "none"
    except UnauthorizedError:
        refusal = "unauthorized"
    return {
        "temperature": weather.temperature("celsius")["temp"],
        "pressure": weather.pressure["press"],
        "wind": weather.wind()["speed"],
        "forecasts": len(forecast.weathers),
        "first_forecast": [forecast.weathers[0].ref_time, forecast.weathers[0].temperature("celsius")["temp"]],
        "onecall": [report.current.temperature()["temp"], len(report.forecast_hourly), len(report.forecast_daily)],
        "refusal": refusal,
    }


async def pyopenweathermap() -> Any:
    """All modes: what Home Assistant asks."""
    from pyopenweathermap import create_owm_client

    found = {}
    for mode in ("current", "forecast", "v3.0", "v4.0"):
        client = create_owm_client(KEY, mode)
        report = await client.get_weather(LATITUDE, LONGITUDE)
        await client.http_client.close() if hasattr(client.http_client, "close") else None
        current = report.current and asdict(report.current)
        counts = [len(report.minutely_forecast), len(report.hourly_forecast), len(report.daily_forecast)]
        first = report.hourly_forecast[0] if report.hourly_forecast else None
        found[mode] = {
            "current": current and {name: current[name] for name in ("temperature", "dew_point", "pressure", "wind_speed")},
            "counts": counts,
            "first": first and [first.date_time.timestamp(), first.temperature, first.precipitation_probability],
        }
    return found


async def open_meteo() -> Any:
    """Now, hours and days in the zone of the point."""
    from open_meteo import DailyParameters, HourlyParameters, OpenMeteo

    async with OpenMeteo() as client:
        forecast = await client.forecast(
            latitude=LATITUDE,
            longitude=LONGITUDE,
            timezone="auto",
            current=[HourlyParameters.TEMPERATURE_2M],
            hourly=[HourlyParameters.TEMPERATURE_2M, HourlyParameters.DEW_POINT_2M],
            daily=[DailyParameters.TEMPERATURE_2M_MAX, DailyParameters.PRECIPITATION_SUM, DailyParameters.SUNRISE],
        )
    assert forecast.hourly
    assert forecast.daily
    assert forecast.current
    return {
        "zone": forecast.timezone,
        "now": forecast.current.temperature_2m,
        "hours": forecast.hourly.temperature_2m,
        "maxima": forecast.daily.temperature_2m_max,
    }


def openmeteo_requests() -> Any:
    """It asks for FlatBuffers, which the simulator refuses in a way that it understands."""
    import openmeteo_requests as library

    try:
        library.Client().weather_api(
            f"{SIMULATOR}/v1/forecast", {"latitude": LATITUDE, "longitude": LONGITUDE, "hourly": ["temperature_2m", "rain"]}
        )
    except Exception as error:
        return [type(error).__name__, str(error)]
    return "garbage"


def weatherstack() -> Any:
    """The request of Airbyte's source-weatherstack; its own dependencies (jsonschema 3) would exclude other clients."""
    params = {"access_key": KEY, "query": f"{LATITUDE},{LONGITUDE}"}
    current = requests.get("http://api.weatherstack.com/current", params, timeout=30).json()
    history = {**params, "historical_date": "2026-01-01"}
    refused = requests.get("http://api.weatherstack.com/historical", history, timeout=30).json()
    return {"temperature": current["current"]["temperature"], "refused": refused["success"]}


async def pynws() -> Any:
    """The nearest station of a point and its observations."""
    from pynws import SimpleNWS

    async with aiohttp.ClientSession() as session:
        client = SimpleNWS(LATITUDE, LONGITUDE, "test@example.org", session)
        await client.set_station()
        await client.update_observation(limit=3)
        assert client.observation
        found = {name: client.observation[name] for name in ("temperature", "relativeHumidity", "seaLevelPressure")}
        return {
            "station": client.station,
            "stations": len(client.stations),
            "timestamp": client.observation["timestamp"],
            **found,
        }


async def pymetno() -> Any:
    """Current weather and the coming day, as in Home Assistant."""
    from datetime import UTC

    from metno import MetWeatherData

    async with aiohttp.ClientSession() as session:
        data = MetWeatherData({"lat": str(LATITUDE), "lon": str(LONGITUDE), "msl": "0"}, session)
        assert await data.fetching_data()
        return {"now": data.get_current_weather(), "hours": len(data.get_forecast(UTC, hourly=True))}


def metar() -> Any:
    """The text of a report, by the parser ``metar``."""
    from metar.Metar import Metar

    box = {"bbox": f"{LATITUDE - 0.1},{LONGITUDE - 0.1},{LATITUDE + 0.1},{LONGITUDE + 0.1}", "format": "json"}
    (report,) = requests.get("https://aviationweather.gov/api/data/metar", box, timeout=30).json()
    text = Metar(report["rawOb"])
    return {
        "temperature": text.temp.value("C"),
        "pressure": text.press.value("HPA"),
        "wind": text.wind_speed.value("MPS"),
        "station": text.station_id,
        "obsTime": report["obsTime"],
    }


CLIENTS: tuple[Callable[[], Any], ...] = (
    *(pyowm, pyopenweathermap, open_meteo, openmeteo_requests),
    *(weatherstack, pynws, pymetno, metar),
)


def _run(client: Callable[[], Any]) -> Any:
    try:
        found = client()
        return asyncio.run(found) if isinstance(found, Coroutine) else found
    except Exception as error:
        return f"{type(error).__name__}: {error}"


if __name__ == "__main__":
    _redirect_aiohttp()
    _redirect_requests()
    print(json.dumps({client.__name__: _run(client) for client in CLIENTS}, default=str))  # noqa: T201

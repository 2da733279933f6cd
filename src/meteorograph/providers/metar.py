"""METAR, weather at aerodromes, from aviationweather.gov. Stop 6 of the walk: takes a payload, gives observations.

Contract: https://aviationweather.gov/data/api/
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

import msgspec

from ..errors import PermanentFetchError
from ..model.flags import Flag
from ..model.units import INCH, KNOT, STATUTE_MILE, scale
from ..model.values import AnsweredPlace, Coordinates, Observation, Payload, Request, RequestPoint, Station
from .aviation import describe_weather, parse_cloud_cover, relative_humidity
from .base import UNREADABLE, Provider, Stations, degrees, from_unix, has_values, one_line, place_at, unreadable
from .http_errors import error_for_status

NAME: Final = "metar"

#: Stations further away than this have other weather [km].
FARTHEST_KM: Final = 100.0
_HALF_HEIGHT: Final = 0.9  # [degree of latitude], about 100 km

_VISIBILITY: Final = re.compile(r"([0-9]{1,3}(?:\.[0-9]{1,3})?)(\+?)")


class _Layer(msgspec.Struct, gc=False):
    cover: str | None = None


class _Report(msgspec.Struct, gc=False):
    icaoId: str
    obsTime: float
    receiptTime: str | None = None
    temp: float | None = None
    dewp: float | None = None
    wdir: float | str | None = None
    wspd: float | None = None
    wgst: float | None = None
    visib: float | str | None = None
    altim: float | None = None
    slp: float | None = None
    precip: float | None = None
    wxString: str | None = None
    metarType: str | None = None
    cover: str | None = None
    clouds: list[_Layer] | None = None
    lat: float | None = None
    lon: float | None = None
    name: str | None = None


_rows = msgspec.json.Decoder(list[msgspec.Raw])
_report = msgspec.json.Decoder(_Report)


def request(base_url: str, points: Sequence[RequestPoint], key: str) -> Request:
    """The request for the latest reports of the points' stations, in one call."""
    return _request(base_url, {"ids": ",".join(point.station or "" for point in points)})


def _request(base_url: str, params: dict[str, str]) -> Request:
    return Request(provider=NAME, url=f"{base_url.rstrip('/')}/api/data/metar", params={**params, "format": "json"})


def parse(payload: Payload) -> list[Observation | None]:
    """Parse an answer to ``request``: the latest report of each station, None for a station without a report or value.

    Raises:
        QuotaExceededError: 429.
        RetryableFetchError: 408 and 5xx.
        AccountError: 403, the caller is blocked.
        PermanentFetchError: Any other refusal.
        PayloadError: Not a list of reports, or a list without a valid report.
    """
    latest: dict[str, _Report] = {}
    for report in _reports(payload):
        other = latest.get(report.icaoId)
        if other is None or _recency(report) > _recency(other):
            latest[report.icaoId] = report
    ids = payload.request.params["ids"].split(",")
    return [_observation(latest[name], payload.fetched_at) if name in latest else None for name in ids]


def _reports(payload: Payload) -> list[_Report]:
    if payload.status == 204:  # no data
        return []
    if payload.status != 200:
        raise error_for_status(NAME, payload)
    try:
        rows = _rows.decode(payload.body)
    except UNREADABLE as error:
        raise unreadable(NAME, payload, error) from None
    reports, fault = [], None
    for row in rows:  # one by one, so that an invalid report of one station does not lose the others
        try:
            reports.append(_report.decode(row))
        except UNREADABLE as error:
            fault = error
    if fault and not reports:
        raise unreadable(NAME, payload, fault)
    return reports


def _recency(report: _Report) -> tuple[float, str]:
    """Greatest for the latest report. A correction has the same observation time as its report, but a later receipt time."""
    return report.obsTime, report.receiptTime or ""


def _observation(report: _Report, fetched_at: datetime) -> Observation | None:
    """The observation of a report; None if the report has no value."""
    cloud_cover, sky_words = parse_cloud_cover([report.cover] if report.cover else (layer.cover for layer in report.clouds or ()))
    visibility, is_open = _visibility(report.visib)
    observation = Observation(
        provider=NAME,
        fetched_at=fetched_at,
        observed_at=from_unix(report.obsTime),
        temperature=report.temp,
        dew_point=report.dewp,
        humidity=relative_humidity(report.temp, report.dewp),
        pressure=report.slp,
        altimeter_setting=report.altim,
        wind_speed=scale(report.wspd, KNOT),
        wind_direction=None if isinstance(report.wdir, str) else report.wdir,  # VRB
        wind_gust=scale(report.wgst, KNOT),
        cloud_cover=cloud_cover,
        visibility=visibility,
        precipitation=scale(report.precip, INCH),
        # The amount is that since the last routine report: an hour for a routine report, an unknown time for a special report.
        precipitation_period=3600 if report.precip is not None and report.metarType != "SPECI" else None,
        condition=one_line(describe_weather(report.wxString)) or sky_words,
        flags={"visibility": [Flag.AT_LEAST]} if is_open else {},
        place=place_at(report.lat, report.lon, report.name or report.icaoId),
    )
    return observation if has_values(observation) else None


def _visibility(miles: float | str | None) -> tuple[float | None, bool]:
    """Visibility [m] from statute miles, and whether it may be greater, as in ``10+`` and ``6+``."""
    if isinstance(miles, str):
        match = _VISIBILITY.fullmatch(miles)
        return (scale(float(match[1]), STATUTE_MILE), bool(match[2])) if match else (None, False)
    return scale(miles, STATUTE_MILE), False


def request_stations(base_url: str, point: Coordinates) -> Request:
    """The request for the reports of all stations around a point."""
    south, north = max(-90.0, point.latitude - _HALF_HEIGHT), min(90.0, point.latitude + _HALF_HEIGHT)
    half = _half_width(point.latitude)
    west, east = max(-180.0, point.longitude - half), min(180.0, point.longitude + half)
    return _request(base_url, {"bbox": ",".join(map(degrees, (south, west, north, east)))})


def _half_width(latitude: float) -> float:
    """Degrees of longitude in about 100 km; at most 180, at the poles."""
    return min(180.0, _HALF_HEIGHT / max(1e-9, math.cos(math.radians(latitude))))


def _centre(bbox: str) -> Coordinates:
    """The centre of the box before it was cut at a pole or at the date line; computed from a side that was not cut."""
    south, west, north, east = map(float, bbox.split(","))
    latitude = north - _HALF_HEIGHT if north < 90 else south + _HALF_HEIGHT
    half = _half_width(latitude)
    return Coordinates(latitude, east - half if east < 180 else west + half if west > -180 else 0.0)


def parse_stations(payload: Payload) -> Station:
    """The nearest station to the point that reports.

    Raises:
        PermanentFetchError: No station within ``FARTHEST_KM``.
        FetchError, PayloadError: As ``parse``.
    """
    centre = _centre(payload.request.params["bbox"])
    stations = []
    for report in _reports(payload):
        place = place_at(report.lat, report.lon, report.name)
        if place and (name := one_line(report.icaoId)):
            stations.append((place.coordinates.distance_km(centre), name, place))
    nearest = min(stations, default=None, key=lambda station: station[:2])
    if nearest is None or nearest[0] > FARTHEST_KM:
        raise PermanentFetchError(NAME, f"no reporting aerodrome within {FARTHEST_KM:g} km", status=payload.status)
    return Station(nearest[1], AnsweredPlace(nearest[2].coordinates, nearest[2].name))


PROVIDER: Final = Provider(
    name=NAME,
    title="METAR",
    documentation="https://aviationweather.gov/data/api/",
    attribution="Aerodrome reports from the Aviation Weather Center, NOAA/NWS (https://aviationweather.gov/)",
    licence="Public domain",
    method="measured",
    quantities={
        "temperature": "°C",
        "humidity": "%",
        "dew_point": "°C",
        "pressure": "hPa",
        "altimeter_setting": "hPa",
        "wind_speed": "kt",
        "wind_direction": "degree",
        "wind_gust": "kt",
        "cloud_cover": "eighths",
        "visibility": "statute mile",
        "precipitation": "inch",
    },
    setting="METAR",
    base_url="https://aviationweather.gov",
    windows={"minute": 100},
    max_age=timedelta(hours=3),  # reports are hourly or half-hourly; one may be missing
    request=request,
    parse=parse,
    most=100,
    # Charged by call and not by station; a hundred stations share one.
    cost=0.01,
    stations=Stations(request_stations, parse_stations),
)

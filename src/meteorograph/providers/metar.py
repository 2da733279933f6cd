"""METAR, weather at aerodromes, from aviationweather.gov. Stop 6 of the walk: takes a payload, gives observations.

Contract: https://aviationweather.gov/data/api/
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from datetime import datetime
from typing import Final

import msgspec

from ..errors import PermanentFetchError
from ..model.flags import Flag
from ..model.values import AnsweredPlace, Coordinates, Observation, Payload, Request, RequestPoint, Station
from .aviation import INCH, KNOT, STATUTE_MILE, relative_humidity, sky, weather_words
from .base import UNREADABLE, Provider, Stations, degrees, from_unix, one_line, place_at, unreadable
from .http_errors import error_for_status

NAME: Final = "metar"

#: A station further off tells of other weather [km].
FARTHEST_KM: Final = 100.0
_HALF_HEIGHT: Final = 0.9  # [degree of latitude], some 100 km

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
    """The request for the latest reports of the points' stations, all in one call."""
    return _request(base_url, {"ids": ",".join(point.station or "" for point in points)})


def _request(base_url: str, params: dict[str, str]) -> Request:
    return Request(provider=NAME, url=f"{base_url.rstrip('/')}/api/data/metar", params={**params, "format": "json"})


def parse(payload: Payload) -> list[Observation | None]:
    """Read an answer to ``request``: the newest report of each station, None for a station without one.

    Raises:
        QuotaExceededError: 429.
        RetryableFetchError: 408 and 5xx.
        AccountError: 403, the caller is not welcome.
        PermanentFetchError: Any other refusal.
        PayloadError: Not a list of reports, or one of which no report can be read.
    """
    newest: dict[str, _Report] = {}
    for report in _reports(payload):
        known = newest.get(report.icaoId)
        if known is None or _age(report) > _age(known):
            newest[report.icaoId] = report
    ids = payload.request.params["ids"].split(",")
    return [_observation(newest[name], payload.fetched_at) if name in newest else None for name in ids]


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
    for row in rows:  # each on its own: a station's odd report must not cost the others theirs
        try:
            reports.append(_report.decode(row))
        except UNREADABLE as error:
            fault = error
    if fault and not reports:
        raise unreadable(NAME, payload, fault)
    return reports


def _age(report: _Report) -> tuple[float, str]:
    """Newest is greatest; a correction has the time of what it corrects, and came later."""
    return report.obsTime, report.receiptTime or ""


def _observation(report: _Report, fetched_at: datetime) -> Observation:
    covered, sky_words = sky([report.cover] if report.cover else (layer.cover for layer in report.clouds or ()))
    visibility, is_open = _visibility(report.visib)
    calm = report.wspd == 0 and report.wdir == 0  # 00000KT; a wind from the north is from 360
    return Observation(
        provider=NAME,
        fetched_at=fetched_at,
        observed_at=from_unix(report.obsTime),
        temperature=report.temp,
        dew_point=report.dewp,
        humidity=relative_humidity(report.temp, report.dewp),
        pressure=report.slp,
        altimeter_setting=report.altim,
        wind_speed=_times(report.wspd, KNOT),
        wind_direction=None if calm or isinstance(report.wdir, str) else report.wdir,  # VRB
        wind_gust=_times(report.wgst, KNOT),
        cloud_cover=covered,
        visibility=visibility,
        precipitation=_times(report.precip, INCH),
        # Since the last routine report: an hour at a routine report, and nobody knows how long at a special one.
        precipitation_period=3600 if report.precip is not None and report.metarType != "SPECI" else None,
        condition=one_line(weather_words(report.wxString)) or sky_words,
        flags={"visibility": [Flag.AT_LEAST]} if is_open else {},
        place=place_at(report.lat, report.lon, report.name or report.icaoId),
    )


def _visibility(given: float | str | None) -> tuple[float | None, bool]:
    """Visibility [m] from statute miles, and whether it may be more: ``10+`` and ``6+`` are all that is told."""
    if isinstance(given, str):
        match = _VISIBILITY.fullmatch(given)
        return (round(float(match[1]) * STATUTE_MILE, 4), bool(match[2])) if match else (None, False)
    return _times(given, STATUTE_MILE), False


def _times(value: float | None, factor: float) -> float | None:
    return None if value is None else round(value * factor, 4)


def request_stations(base_url: str, point: Coordinates) -> Request:
    """The request for the reports of all stations around a point."""
    south, north = max(-90.0, point.latitude - _HALF_HEIGHT), min(90.0, point.latitude + _HALF_HEIGHT)
    half = _half_width(point.latitude)
    west, east = max(-180.0, point.longitude - half), min(180.0, point.longitude + half)
    return _request(base_url, {"bbox": ",".join(map(degrees, (south, west, north, east)))})


def _half_width(latitude: float) -> float:
    """Degrees of longitude in some 100 km; no more than half round the earth at the poles."""
    return min(180.0, _HALF_HEIGHT / max(1e-9, math.cos(math.radians(latitude))))


def _middle(bbox: str) -> Coordinates:
    """The point that a box was made around; where the earth's edge cuts it, from the side that is whole."""
    south, west, north, east = map(float, bbox.split(","))
    latitude = north - _HALF_HEIGHT if north < 90 else south + _HALF_HEIGHT
    half = _half_width(latitude)
    return Coordinates(latitude, east - half if east < 180 else west + half if west > -180 else 0.0)


def parse_stations(payload: Payload) -> Station:
    """The station nearest to the point, of those that report; see ``parse`` for what it raises besides.

    Raises:
        PermanentFetchError: None within ``FARTHEST_KM``.
    """
    middle, near = _middle(payload.request.params["bbox"]), []
    for report in _reports(payload):
        place = place_at(report.lat, report.lon, report.name)
        if place and (name := one_line(report.icaoId)):
            near.append((place.coordinates.distance_km(middle), name, place))
    nearest = min(near, default=None, key=lambda one: one[:2])
    if nearest is None or nearest[0] > FARTHEST_KM:
        raise PermanentFetchError(NAME, f"no aerodrome that reports within {FARTHEST_KM:g} km", status=payload.status)
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
    request=request,
    parse=parse,
    most=100,
    # Charged by call and not by station; a hundred stations share one.
    cost=0.01,
    stations=Stations(request_stations, parse_stations),
)

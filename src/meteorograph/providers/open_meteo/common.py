"""Bodies of Open-Meteo: values with their units, for one instant or by the hour, and refusals.

Contract: https://open-meteo.com/en/docs and the server's source, https://github.com/open-meteo/open-meteo
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

import msgspec

from ...errors import AccountError, FetchError, PermanentFetchError, QuotaExceededError, RetryableFetchError
from ...model.states import KeyState
from ...model.units import (
    FAHRENHEIT_PER_CELSIUS,
    FOOT,
    INCH,
    KILOMETRE_PER_HOUR,
    KNOT,
    MILE_PER_HOUR,
    fahrenheit_to_celsius,
)
from ...model.values import Observation, Payload, Request, RequestPoint
from ..base import UNREADABLE, degrees, from_unix, place_at, quoted, unreadable

NAME: Final = "open-meteo"

_SPEED: Final = {"m/s": 1.0, "km/h": KILOMETRE_PER_HOUR, "mp/h": MILE_PER_HOUR, "kn": KNOT}

#: Variable → its quantity, and the factor to the canonical unit from each unit that the variable may have. ``precipitation`` is
#: the water equivalent of rain and snow; ``snowfall`` [cm of snow] is not requested. The dew point is not requested either:
#: the provider computes it from temperature and humidity, and with an eleventh variable a call would cost more than one.
VARIABLES: Final[Mapping[str, tuple[str, Mapping[str, float]]]] = {
    "temperature_2m": ("temperature", {"°C": 1.0, "°F": 1 / FAHRENHEIT_PER_CELSIUS}),
    "relative_humidity_2m": ("humidity", {"%": 1.0}),
    "pressure_msl": ("pressure", {"hPa": 1.0}),
    "wind_speed_10m": ("wind_speed", _SPEED),
    "wind_direction_10m": ("wind_direction", {"°": 1.0}),
    "wind_gusts_10m": ("wind_gust", _SPEED),
    "cloud_cover": ("cloud_cover", {"%": 1.0}),
    "visibility": ("visibility", {"m": 1.0, "ft": FOOT}),
    "precipitation": ("precipitation", {"mm": 1.0, "inch": INCH}),
}

#: The tenth variable: the code of the weather.
WEATHER_CODE: Final = "weather_code"

#: The codes of WMO table 4677 that Open-Meteo uses, in the words of its documentation.
_WORDS: Final = {
    **{0: "clear sky", 1: "mainly clear", 2: "partly cloudy", 3: "overcast", 45: "fog", 48: "depositing rime fog"},
    **{51: "light drizzle", 53: "moderate drizzle", 55: "dense drizzle"},
    **{56: "light freezing drizzle", 57: "dense freezing drizzle"},
    **{61: "slight rain", 63: "moderate rain", 65: "heavy rain", 66: "light freezing rain", 67: "heavy freezing rain"},
    **{71: "slight snow fall", 73: "moderate snow fall", 75: "heavy snow fall", 77: "snow grains"},
    **{80: "slight rain showers", 81: "moderate rain showers", 82: "violent rain showers"},
    **{85: "slight snow showers", 86: "heavy snow showers"},
    **{95: "thunderstorm", 96: "thunderstorm with slight hail", 99: "thunderstorm with heavy hail"},
}

#: End of a body with status 200 if the server fails while it sends the body.
_STREAM_FAILURE: Final = b"Unexpected error while streaming data"

Value = float | str | None


class Body(msgspec.Struct, gc=False):
    """The answer for one point, or an error for all points."""

    error: bool | None = None
    reason: str | None = None
    #: Centre of the grid cell that contains the point.
    latitude: float | None = None
    longitude: float | None = None
    #: Index in the list of points; the first point has none.
    location_id: int | None = None
    utc_offset_seconds: float | None = None
    current: dict[str, Value] | None = None
    current_units: dict[str, str] = {}
    hourly: dict[str, list[Value]] | None = None
    hourly_units: dict[str, str] = {}


_decoder = msgspec.json.Decoder(Body | list[Body])


def decode_bodies(payload: Payload) -> list[Body]:
    """Decode the answers in the payload, one for each point.

    Raises:
        FetchError: A refusal, or a failure while the body was sent.
        PayloadError: Not a body of Open-Meteo.
    """
    try:
        decoded = _decoder.decode(payload.body)
    except UNREADABLE as error:
        if payload.status != 200 or _STREAM_FAILURE in payload.body:
            failure = payload.body[payload.body.find(_STREAM_FAILURE) :] if payload.status == 200 else b""
            raise refusal(payload, failure.decode(errors="replace")) from None
        raise unreadable(NAME, payload, error) from None
    bodies = decoded if isinstance(decoded, list) else [decoded]
    if payload.status != 200 or any(body.error for body in bodies):
        raise refusal(payload, next((body.reason for body in bodies if body.reason), None))
    return bodies


def make_observation(
    payload: Payload, body: Body, row: Mapping[str, Value], units: Mapping[str, str], at: datetime | None, seconds: float | None
) -> Observation | None:
    """The observation of one instant, with the precipitation of the ``seconds`` before it; None if all values are null.

    Raises:
        PayloadError: A value is no number, or has a unit that the variable cannot have.
    """
    values: dict[str, float] = {}
    for variable, (quantity, factors) in VARIABLES.items():
        value, unit = row.get(variable), units.get(variable)
        if value is None:
            continue
        factor = factors.get(unit or "")
        if factor is None or isinstance(value, str):
            raise unreadable(NAME, payload, ValueError(f"{variable}: {str(value)[:40]!r} in {str(unit)[:40]!r}"))
        if unit == "°F":
            values[quantity] = fahrenheit_to_celsius(value)
        else:
            values[quantity] = value if factor == 1 else round(value * factor, 4)
    if not values:
        return None
    is_period = seconds is not None and 1 <= seconds <= 86400 and "precipitation" in values
    return Observation(
        provider=NAME,
        fetched_at=payload.fetched_at,
        observed_at=at,
        temperature=values.get("temperature"),
        humidity=values.get("humidity"),
        pressure=values.get("pressure"),
        wind_speed=values.get("wind_speed"),
        wind_direction=values.get("wind_direction"),
        wind_gust=values.get("wind_gust"),
        cloud_cover=values.get("cloud_cover"),
        visibility=values.get("visibility"),
        precipitation=values.get("precipitation"),
        precipitation_period=int(seconds) if is_period and seconds else None,
        condition=_condition(row.get(WEATHER_CODE)),
        place=place_at(body.latitude, body.longitude, None),
    )


def _condition(code: Value) -> str | None:
    return _WORDS.get(int(code)) if isinstance(code, float) and 0 <= code < 100 else None


def parse_time(time: Value, body: Body) -> datetime | None:
    """The instant (aware UTC) of a time: Unix seconds, or the wall clock at the offset of the body."""
    if not isinstance(time, str):
        return from_unix(time)
    try:
        return datetime.fromisoformat(time).replace(tzinfo=UTC) - timedelta(seconds=body.utc_offset_seconds or 0)
    except (ValueError, OverflowError):
        return None


def refusal(payload: Payload, reason: str | None) -> FetchError:
    """The error for a refusal; the provider says how long to wait only in its words."""
    message = quoted(payload, reason)
    status, lowered = payload.status, message.lower()
    text = f"{status}: {message}" if message else f"HTTP {status} without a message"
    if "too many concurrent" in lowered:
        return RetryableFetchError(NAME, text, status=status, wait=payload.wait)
    if status == 429 or "limit exceeded" in lowered:
        wait = _end_of_window(lowered.partition(" ")[0], payload.fetched_at) - payload.fetched_at
        return QuotaExceededError(NAME, text, retry_at=payload.retry_at(wait), status=status)
    if status in (401, 403):
        return AccountError(NAME, text, key_state=KeyState.INVALID if status == 401 else KeyState.PLAN_MISSING, status=status)
    # An error with status 200 is one of the server; a wrong request gets a 400.
    if status >= 500 or status in (200, 408):
        return RetryableFetchError(NAME, text, status=status, wait=payload.wait)
    return PermanentFetchError(NAME, text, status=status)


def _end_of_window(window: str, now: datetime) -> datetime:
    """When the provider resets the count of a window: at whole minutes, hours, days and months of UTC."""
    minute = now.replace(second=0, microsecond=0)
    match window:
        case "hourly":
            return minute.replace(minute=0) + timedelta(hours=1)
        case "daily":
            return minute.replace(hour=0, minute=0) + timedelta(days=1)
        case "monthly":
            return (minute.replace(day=1, hour=0, minute=0) + timedelta(days=32)).replace(day=1)
        case _:
            return minute + timedelta(minutes=1)


CURRENT_VARIABLES: Final = (*VARIABLES, WEATHER_CODE)
#: The models of the archive have no visibility.
ARCHIVE_VARIABLES: Final = tuple(name for name in CURRENT_VARIABLES if name != "visibility")

#: All units are requested explicitly: by default wind is in km/h, and times are local.
_UNITS: Final = {
    "temperature_unit": "celsius",
    "wind_speed_unit": "ms",
    "precipitation_unit": "mm",
    "timeformat": "unixtime",
    "timezone": "GMT",
}

#: A request with more variables, or over a longer time, is charged as several calls.
VARIABLES_PER_CALL: Final = 10
SPAN_PER_CALL: Final = timedelta(days=14)


def make_request(base_url: str, path: str, points: Sequence[RequestPoint], params: dict[str, str]) -> Request:
    coordinates = {
        "latitude": ",".join(degrees(point.latitude) for point in points),
        "longitude": ",".join(degrees(point.longitude) for point in points),
    }
    return Request(NAME, f"{base_url.rstrip('/')}{path}", {**coordinates, **params, **_UNITS})

"""What Open-Meteo's bodies hold: values with the echo of their units, for a moment or by the hour, and refusals.

Contract: https://open-meteo.com/en/docs and the server's source, https://github.com/open-meteo/open-meteo
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

import msgspec

from ...errors import AccountError, FetchError, PermanentFetchError, QuotaExceededError, RetryableFetchError
from ...model.states import KeyState
from ...model.values import Observation, Payload, Request, RequestPoint
from ..base import UNREADABLE, degrees, from_unix, place_at, quoted, unreadable

NAME: Final = "open-meteo"

_SPEED: Final = {"m/s": 1.0, "km/h": 1 / 3.6, "mp/h": 0.44704, "kn": 1852 / 3600}

#: Variable → the quantity it is, and the factor to its canonical unit from each unit it may come in. Amounts of
#: precipitation are water equivalent, snow included: ``snowfall``, which is in cm of snow, is not asked for. The dew point
#: is not either: it is made of temperature and humidity, and an eleventh variable would make each call cost more than one.
VARIABLES: Final[Mapping[str, tuple[str, Mapping[str, float]]]] = {
    "temperature_2m": ("temperature", {"°C": 1.0, "°F": 1 / 1.8}),
    "relative_humidity_2m": ("humidity", {"%": 1.0}),
    "pressure_msl": ("pressure", {"hPa": 1.0}),
    "wind_speed_10m": ("wind_speed", _SPEED),
    "wind_direction_10m": ("wind_direction", {"°": 1.0}),
    "wind_gusts_10m": ("wind_gust", _SPEED),
    "cloud_cover": ("cloud_cover", {"%": 1.0}),
    "visibility": ("visibility", {"m": 1.0, "ft": 0.3048}),
    "precipitation": ("precipitation", {"mm": 1.0, "inch": 25.4}),
}

#: The code of the weather is the tenth variable.
CODE: Final = "weather_code"

#: WMO code 4677 as far as it is used, in the words of the documentation.
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

#: What stands at the end of a body with status 200 when the server fails on the way.
_BROKE_OFF: Final = b"Unexpected error while streaming data"

Value = float | str | None


class Body(msgspec.Struct, gc=False):
    """The answer for one point, or an error for all."""

    error: bool | None = None
    reason: str | None = None
    #: Of the centre of the cell that answers for the point.
    latitude: float | None = None
    longitude: float | None = None
    #: Place in the list of points; the first one comes without it.
    location_id: int | None = None
    utc_offset_seconds: float | None = None
    current: dict[str, Value] | None = None
    current_units: dict[str, str] = {}
    hourly: dict[str, list[Value]] | None = None
    hourly_units: dict[str, str] = {}


_decoder = msgspec.json.Decoder(Body | list[Body])


def bodies(payload: Payload) -> list[Body]:
    """The answers in the payload, one for each point.

    Raises:
        FetchError: A refusal, or a failure while the body was sent.
        PayloadError: Not a body of Open-Meteo's.
    """
    try:
        decoded = _decoder.decode(payload.body)
    except UNREADABLE as error:
        if payload.status != 200 or _BROKE_OFF in payload.body:
            said = payload.body[payload.body.find(_BROKE_OFF) :].decode(errors="replace") if payload.status == 200 else None
            raise refusal(payload, said) from None
        raise unreadable(NAME, payload, error) from None
    found = decoded if isinstance(decoded, list) else [decoded]
    failed = next((one for one in found if one.error), None)
    if failed or payload.status != 200:
        raise refusal(payload, next((one.reason for one in found if one.reason), None))
    return found


def observation(
    payload: Payload, body: Body, row: Mapping[str, Value], units: Mapping[str, str], at: datetime | None, seconds: float | None
) -> Observation | None:
    """The values of one moment, with precipitation over the ``seconds`` before it; None where all are null.

    Raises:
        PayloadError: A value is no number, or its unit is none that the variable may come in.
    """
    given: dict[str, float] = {}
    for variable, (quantity, factors) in VARIABLES.items():
        value, unit = row.get(variable), units.get(variable)
        if value is None:
            continue
        factor = factors.get(unit or "")
        if factor is None or isinstance(value, str):
            raise unreadable(NAME, payload, ValueError(f"{variable}: {str(value)[:40]!r} in {str(unit)[:40]!r}"))
        given[quantity] = value if factor == 1 else round((value - 32 if unit == "°F" else value) * factor, 4)
    if not given:
        return None
    is_period = seconds is not None and 1 <= seconds <= 86400 and "precipitation" in given
    return Observation(
        provider=NAME,
        fetched_at=payload.fetched_at,
        observed_at=at,
        temperature=given.get("temperature"),
        humidity=given.get("humidity"),
        pressure=given.get("pressure"),
        wind_speed=given.get("wind_speed"),
        wind_direction=given.get("wind_direction"),
        wind_gust=given.get("wind_gust"),
        cloud_cover=given.get("cloud_cover"),
        visibility=given.get("visibility"),
        precipitation=given.get("precipitation"),
        precipitation_period=int(seconds) if is_period and seconds else None,
        condition=_condition(row.get(CODE)),
        place=place_at(body.latitude, body.longitude, None),
    )


def _condition(code: Value) -> str | None:
    return _WORDS.get(int(code)) if isinstance(code, float) and 0 <= code < 100 else None


def instant(told: Value, body: Body) -> datetime | None:
    """The instant (aware UTC) of a time: Unix seconds, or the wall clock of the answer's offset, which is written without it."""
    if not isinstance(told, str):
        return from_unix(told)
    try:
        return datetime.fromisoformat(told).replace(tzinfo=UTC) - timedelta(seconds=body.utc_offset_seconds or 0)
    except (ValueError, OverflowError):
        return None


def refusal(payload: Payload, reason: str | None) -> FetchError:
    """The error for a refusal; the wait is in its words alone."""
    said = quoted(payload, reason)
    status, lowered = payload.status, said.lower()
    text = f"{status}: {said}" if said else f"HTTP {status} without a message"
    if "too many concurrent" in lowered:
        return RetryableFetchError(NAME, text, status=status, wait=payload.wait)
    if status == 429 or "limit exceeded" in lowered:
        renewed = _renewed(lowered.partition(" ")[0], payload.fetched_at)
        return QuotaExceededError(NAME, text, retry_at=payload.retry_at(renewed - payload.fetched_at), status=status)
    if status in (401, 403):
        return AccountError(NAME, text, key_state=KeyState.INVALID if status == 401 else KeyState.PLAN_MISSING, status=status)
    # An error that comes with 200 is one of the server's: what is wrong with a request is told with 400.
    if status >= 500 or status in (200, 408):
        return RetryableFetchError(NAME, text, status=status, wait=payload.wait)
    return PermanentFetchError(NAME, text, status=status)


def _renewed(window: str, now: datetime) -> datetime:
    """When the count of a window, as the provider calls it, begins anew: at whole minutes, hours and days of UTC."""
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


CURRENT_VARIABLES: Final = (*VARIABLES, CODE)
#: The archive's models have no visibility.
ARCHIVE_VARIABLES: Final = tuple(name for name in CURRENT_VARIABLES if name != "visibility")

#: No default is relied on: that of the wind is km/h, and times would be local.
_UNITS: Final = {
    "temperature_unit": "celsius",
    "wind_speed_unit": "ms",
    "precipitation_unit": "mm",
    "timeformat": "unixtime",
    "timezone": "GMT",
}

#: What one call covers: so many variables over so long.
VARIABLES_OF_A_CALL: Final = 10
SPAN_OF_A_CALL: Final = timedelta(days=14)


def make_request(base_url: str, path: str, points: Sequence[RequestPoint], params: dict[str, str]) -> Request:
    where = {
        "latitude": ",".join(degrees(point.latitude) for point in points),
        "longitude": ",".join(degrees(point.longitude) for point in points),
    }
    return Request(NAME, f"{base_url.rstrip('/')}{path}", {**where, **params, **_UNITS})

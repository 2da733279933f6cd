"""Common parts of OpenWeatherMap's products: amounts, units and refusals."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Final

import msgspec

from ...errors import AccountError, FetchError, PermanentFetchError, QuotaExceededError, RetryableFetchError
from ...model.flags import Flag
from ...model.states import KeyState
from ...model.units import MILE_PER_HOUR, fahrenheit_to_celsius, kelvin_to_celsius, scale
from ...model.values import Observation, Payload
from ..base import Amount, error_code, has_values, one_line, quoted, unreadable
from ..lenient import LenientDecoder, Unreadable, flags_of_unreadable
from ..weather_codes import OPENWEATHERMAP

NAME: Final = "openweathermap"

#: Wait after a 429 without ``Retry-After``. "repeat your request in 10 minutes": https://openweathermap.org/appid
BLOCKED_FOR: Final = timedelta(minutes=10)


#: The largest visibility of an answer [m]: "The maximum value of the visibility is 10 km", https://openweathermap.org/current
VISIBILITY_CAP: Final = 10_000.0


class Condition(msgspec.Struct, gc=False):
    """A weather condition; the first condition of a list is the main one."""

    id: float | None = None
    description: str | None = None


class _Error(msgspec.Struct, gc=False):
    cod: int | str | None = None
    message: str | None = None
    #: One Call names the wrong query parameters.
    parameters: list[str] | None = None


_error = LenientDecoder(_Error)

#: Members of which an odd one makes the sum unknown. Those of three hours only count where there is no amount of an hour.
_HOURLY: Final = {"rain.1h": "precipitation", "snow.1h": "precipitation"}
_THREE_HOURLY: Final = {"rain.3h": "precipitation", "snow.3h": "precipitation"}


#: The member of the snow of an hour.
SNOWFALL: Final = {"snow.1h": "snowfall_water_equivalent"}


class Precipitation(msgspec.Struct, frozen=True, gc=False):
    """The amount [mm] of an answer, its period [s] and its flags."""

    amount: float | None
    period: int | None
    flags: list[str] = []


def read_precipitation(rain: Amount | None, snow: Amount | None, odd: Unreadable) -> Precipitation:
    """The sum of rain and snow: 0 with the flag ``implied_zero`` if the answer has neither, None if one cannot be read."""
    amount, period = total_precipitation(rain, snow)
    if odd:
        flags = flags_of_unreadable(odd, _HOURLY if period == 3600 else {**_HOURLY, **_THREE_HOURLY})
        if flags:
            return Precipitation(None, None, flags["precipitation"])
    return Precipitation(0.0, 3600, [Flag.IMPLIED_ZERO]) if amount is None else Precipitation(amount, period)


def total_precipitation(rain: Amount | None, snow: Amount | None) -> tuple[float | None, int | None]:
    """The sum of rain and snow (water equivalent) [mm] and its period [s]; None if the answer has neither.

    Hourly and three-hourly amounts overlap and are never added: if there are hourly amounts, only these are used.
    """
    if snow is None and rain is not None and rain.one_hour is not None:  # the most frequent case of precipitation
        return rain.one_hour, 3600
    amounts = [amount for amount in (rain, snow) if amount is not None]
    hourly = [amount.one_hour for amount in amounts if amount.one_hour is not None]
    if hourly:
        return sum(hourly), 3600
    three_hourly = [amount.three_hours for amount in amounts if amount.three_hours is not None]
    return (sum(three_hourly), 10800) if three_hourly else (None, None)


def read_snowfall(snow: Amount | None, odd: Unreadable) -> float | None:
    """The amount of snow (water equivalent) [mm] in the period of the precipitation: 0 without snow, None if it cannot be read.

    No answer has hourly rain beside three-hourly snow.
    """
    if odd and flags_of_unreadable(odd, SNOWFALL):
        return None
    amounts = () if snow is None else (snow.one_hour, snow.three_hours)
    return next((amount for amount in amounts if amount is not None), 0.0)


def make_flags(
    precipitation: Precipitation, visibility: float | None, odd: Unreadable, fields: Mapping[str, str]
) -> dict[str, list[str]]:
    """The flags of an answer with this precipitation, this visibility [m] and these odd members (path → quantity)."""
    flags = flags_of_unreadable(odd, fields) if odd else {}
    if precipitation.flags:
        flags["precipitation"] = precipitation.flags
    if visibility == VISIBILITY_CAP:
        flags["visibility"] = [Flag.AT_LEAST]
    return flags


def to_celsius(value: float, units: str) -> float:
    """A temperature [°C] from one in ``units``: ``standard`` (K), ``metric`` or ``imperial`` (°F)."""
    if units == "metric":
        return value
    return fahrenheit_to_celsius(value) if units == "imperial" else kelvin_to_celsius(value)


def to_metres_per_second(value: float | None, units: str) -> float | None:
    """A speed [m/s] from one in ``units``: miles per hour for ``imperial``, m/s for the others."""
    return scale(value, MILE_PER_HOUR) if units == "imperial" else value


def has_measured_values(observation: Observation) -> bool:
    """Whether an answer has a value of any quantity, beside a precipitation or snowfall of 0 that it only implies."""
    if observation.snowfall_water_equivalent == 0:
        observation = msgspec.structs.replace(observation, snowfall_water_equivalent=None)
    if Flag.IMPLIED_ZERO in observation.flags.get("precipitation", ()):
        observation = msgspec.structs.replace(observation, precipitation=None)
    return has_values(observation)


def describe(conditions: list[Condition | None] | None) -> str | None:
    """The main condition in the provider's words: the first one, without elements that are null or cannot be read."""
    main = _main_condition(conditions)
    return None if main is None else one_line(main.description)


def read_weather_code(conditions: list[Condition | None] | None) -> int | None:
    """The main condition as a code of WMO table 4677."""
    main = _main_condition(conditions)
    return None if main is None or main.id is None else OPENWEATHERMAP.get(int(main.id))


def _main_condition(conditions: list[Condition | None] | None) -> Condition | None:
    for condition in conditions or ():
        if condition is not None:
            return condition
    return None


def unexpected_body(payload: Payload, cause: Exception, product: str = "") -> Exception:
    """The error for a 200 without weather: an error with the wrong status, or a body that cannot be parsed."""
    error = _error.decode_or_none(payload)
    cod = (error and error_code(error.cod)) or 0
    return refusal(payload, cod, product) if cod >= 400 else unreadable(NAME, payload, cause)


def refusal(payload: Payload, code: int, product: str = "") -> FetchError:
    """The error for a refusal with this error number; its text names the ``product``."""
    error = _error.decode_or_none(payload) or _Error()
    message = quoted(payload, error.message, ", ".join(error.parameters or ()))
    reason = f"{code}: {message}" if message else f"HTTP {payload.status} without a message"
    reason = f"{product}: {reason}" if product else reason
    if code == 429:
        return QuotaExceededError(NAME, reason, retry_at=payload.retry_at(BLOCKED_FOR), status=payload.status)
    if code == 401:
        # "… requires a separate subscription": the key may be valid for other products.
        key_state = KeyState.PLAN_MISSING if product and "subscription" in message.lower() else KeyState.INVALID
        return AccountError(NAME, reason, key_state=key_state, status=payload.status)
    if 500 <= code < 600 or code == 408:
        return RetryableFetchError(NAME, reason, status=payload.status, wait=payload.wait)
    return PermanentFetchError(NAME, reason, status=payload.status)
